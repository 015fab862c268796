//! What the peers answer, over real sockets: the same rows for both, so that they are the same wallet.

mod rules;
mod server;
