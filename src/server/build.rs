//! Tells the linker to keep every segment of the program's file at the address that it is loaded to. rustc's linker packs
//! them closer; perf (6.1) then takes the address of a marker for its place in the file, puts its breakpoint into the
//! middle of another instruction, and the traced server crashes. Costs up to 12 KiB of file. It stands here and not in
//! `.cargo/config.toml`, because `RUSTFLAGS` in the environment would lose it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-Wl,-z,separate-loadable-segments");
}
