use super::area::Area;
use super::flame::Folded;
use super::symbols::path;
use super::*;

/// What `perf script` prints of one sample: a header, then frames from the innermost outwards.
fn sample(header: &str, frames: &[&str]) -> String {
    let frames = frames.iter().map(|frame| format!("\t{frame}\n"));
    [format!("{header}\n")].into_iter().chain(frames).chain(["\n".to_owned()]).collect()
}

#[track_caller]
fn check_fold(header: &str, frames: &[&str], expect: &str) {
    let folded = Folded::fold_cpu(sample(header, frames).as_bytes()).expect("readable text");
    assert_eq!(folded.text(), expect);
}

#[test]
fn samples_become_folded_lines() {
    let turn = "          1c79b9 purser::net::Driver::turn+0x29 (/gone/purser)";
    check_fold(
        "shard-0-1  5768 11810.827607: cpu-clock: ",
        &[turn],
        "shard-0-1;purser::net::Driver::turn 1\n",
    );
    check_fold(
        "shard-0-1  5768 11810.827607:     250000 cycles: ",
        &[
            "ffffffff81b5d082 io_send+0xd2 ([kernel.kallsyms])",
            "ffffffff81000130 entry+0x76 ([ext4])",
            "101829 syscall+0x19 (/usr/lib/libc.so.6)",
            turn,
        ],
        "shard-0-1;purser::net::Driver::turn;syscall;entry_[k];io_send_[k] 1\n",
    );
    // A worker's number says nothing; a semicolon would end the frame; a name holds parentheses and spaces.
    check_fold(
        "iou-wrk-5770  5775 1.000001: cpu-clock: ",
        &["10 <[u8; 4] as a::B<fn(u8)>>::c+0x1 (/gone/a b (deleted))"],
        "iou-wrk;<[u8: 4] as a::B<fn(u8)>>::c 1\n",
    );
    // A thread's name may look like more than a name.
    check_fold(
        "a b 7 1.5: x  5775 1.000001: cpu-clock: ",
        &[turn],
        "a b 7 1.5: x;purser::net::Driver::turn 1\n",
    );
    check_fold(
        "purser 12 1.000001: cpu-clock: ",
        &["ffffffff81000000 [unknown] ([kernel.kallsyms])", "7f00 [unknown] ([unknown])", turn],
        "purser;purser::net::Driver::turn;[unknown];[unknown] 1\n",
    );
    check_fold("purser 12 1.000001: cpu-clock: ", &[], "purser 1\n");
    check_fold("something else", &[], "");
    check_fold("purser 12 1.000001: PERF_RECORD_LOST 7", &[], "");
}

#[test]
fn equal_stacks_are_counted_and_unnamed_ones_too() {
    let header = "a 1 1.000001: cpu-clock: ";
    let named = sample(header, &["10 b+0x1 (/gone/a)"]);
    let text = named.repeat(3) + &sample(header, &["11 [unknown] (/gone/a)"]);
    let folded = Folded::fold_cpu(text.as_bytes()).expect("readable text");
    assert_eq!(folded.text(), "a;[unknown] 1\na;b 3\n");
    assert_eq!((folded.total(), folded.unnamed()), (4, 25.0));
}

#[track_caller]
fn check_waits(script: &[(&str, u64, &str)], expect: &str) {
    let text: String = script
        .iter()
        .map(|(thread, time_us, what)| {
            let header = format!("{thread} {}.{:06}: ", time_us / 1_000_000, time_us % 1_000_000);
            match what.strip_prefix("at ") {
                Some(function) => {
                    sample(&(header + "context-switches: "), &[&format!("10 {function}+0x1 (/gone/a)")])
                }
                None => format!("{header}PERF_RECORD_SWITCH {what}\n"),
            }
        })
        .collect();
    assert_eq!(Folded::fold_waits(text.as_bytes()).expect("readable text").text(), expect);
}

#[test]
fn switches_become_waits() {
    let (a, b) = ("a 1", "b 2");
    check_waits(&[(a, 10, "at f"), (a, 12, "OUT        "), (a, 1_000_012, "IN         ")], "a;f 1000000\n");
    // Threads on two cores, and the same place twice.
    check_waits(
        &[
            (a, 10, "at f"),
            (b, 11, "at g"),
            (a, 12, "OUT"),
            (b, 13, "OUT"),
            (b, 14, "IN"),
            (a, 22, "IN"),
            (a, 30, "at f"),
            (a, 31, "OUT"),
            (a, 36, "IN"),
        ],
        "a;f 15\nb;g 1\n",
    );
    check_waits(&[(a, 10, "at f"), (a, 12, "OUT preempt"), (a, 15, "IN")], "a;f;[waiting for a core] 3\n");
    // It was away when the recording began, and is when it ends.
    check_waits(&[(a, 5, "IN"), (a, 10, "at f"), (a, 12, "OUT")], "");
    // perf has lost the stack, then the return: the time between two leavings is no wait.
    check_waits(&[(a, 12, "OUT"), (a, 15, "IN")], "a 3\n");
    check_waits(&[(a, 10, "at f"), (a, 12, "OUT"), (a, 20, "OUT"), (a, 25, "IN")], "a 5\n");
}

#[track_caller]
fn check_area(stack: &str, expect: &str) {
    assert_eq!(Area::of_stack(&format!("shard-0-1;{stack}")).name(), expect, "{stack}");
}

#[test]
fn a_stack_has_an_area() {
    check_area(
        "purser::net::Driver::turn;purser_http::frame::Framer::step_[i];httparse::parse_headers",
        "http",
    );
    check_area("purser_http::frame::Framer::step_[i];__memmove_avx_unaligned", "http");
    check_area("purser_api::decode;<&mut sonic_rs::Deserializer<R> as serde::Deserializer>::any", "json");
    check_area("purser_shard::Core::step;<purser_wallet::Wallet>::apply;hashbrown::raw::find_[i]", "wallet");
    check_area(
        "purser_shard::core::Core::apply;purser_journal::writer::append_[i];rkyv::to_bytes",
        "journal",
    );
    check_area("purser::net::Driver::turn;purser_ring::Ring::enter_[i];syscall", "ring");
    check_area("purser::net::Driver::turn", "net");
    check_area("glommio::reactor::react;io_uring_submit;syscall", "glommio");
    check_area("purser::serve::housekeeper", "server");
    check_area("start_thread", "other");
    // The kernel's time is its own, whoever called it.
    check_area("purser_ring::Ring::enter;entry_[k];io_send_[k];tcp_sendmsg_[k]", "kernel: sockets, TCP");
    check_area("purser::net::Driver::turn;io_submit_sqes_[k];_raw_spin_lock_[k]", "kernel: rings");
    check_area("io_wq_worker_[k];io_fsync_[k];ext4_sync_file_[k];__memset_[k]", "kernel: disk");
    check_area("io_cqring_wait_[k];__schedule_[k];finish_task_switch.isra.0_[k]", "kernel: scheduler");
    check_area("purser_wallet::apply;asm_exc_page_fault_[k];clear_page_erms_[k]", "kernel: memory");
    check_area("purser_wallet::apply;asm_sysvec_call_[k]", "kernel: other");
    check_area("purser_wallet::apply;[unknown]", "unknown");
}

#[test]
fn shares_and_top_are_percentages() {
    let header = "shard-0-1 1 1.000001: cpu-clock: ";
    let wallet = sample(header, &["10 purser_wallet::apply+0x1 (/gone/purser)"]);
    let kernel = sample(header, &["ffffffff81000000 tcp_ack+0x1 ([kernel.kallsyms])"]);
    let folded = Folded::fold_cpu((wallet.repeat(3) + &kernel).as_bytes()).expect("readable text");
    let shares = folded.shares();
    assert_eq!(shares.len(), Area::ALL.len());
    let some: Vec<_> = shares.into_iter().filter(|(_, percent)| *percent > 0.0).collect();
    assert_eq!(some, [("kernel: sockets, TCP", 25.0), ("wallet", 75.0)]);
    assert_eq!(folded.top(1), [("purser_wallet::apply".to_owned(), 75.0)]);
    assert_eq!(folded.top(9).last(), Some(&("tcp_ack_[k]".to_owned(), 25.0)));

    let svg = folded.flame_graph("a <title>").expect("a picture");
    for text in
        ["<svg", "a &lt;title&gt;", "purser_wallet::apply (3 samples, 75.00%)", "tcp_ack (1 samples, 25.00%)"]
    {
        assert!(svg.contains(text), "{text}");
    }
    assert!(Folded::default().flame_graph("none").is_err());
}

#[track_caller]
fn check_path(name: &str, source: &str, expect: &str) {
    assert_eq!(path(name, source, "purser"), expect);
}

#[test]
fn an_inlined_function_has_a_path() {
    check_path("turn", "/home/a/main/src/server/net.rs", "purser::net::turn");
    check_path("apply", "/home/a/main/src/wallet/lib.rs", "purser_wallet::apply");
    check_path("step<u8>", "src/http/frame.rs", "step");
    check_path("step<u8>", "/a/src/http/frame.rs", "purser_http::frame::step");
    check_path("{closure#1}<a::B, c::D>", "/a/src/main.rs", "purser::{closure#1}");
    check_path(
        "submit",
        "/a/registry/src/index.crates.io-1949/io-uring-0.7.15/src/squeue/mod.rs",
        "io_uring::squeue::submit",
    );
    check_path("read<u8>", "/rustc/5980/library/core/src/ptr/mod.rs", "core::ptr::read");
    check_path("find", "/rust/deps/hashbrown-0.15.4/src/raw.rs", "hashbrown::raw::find");
    check_path("io_uring_submit", "/a/liburing/src/queue.c", "io_uring_submit");
    check_path("turn", "", "turn");
    // What the linker's name is known of is a path already.
    check_path("purser::net::Driver::turn", "/a/src/net.rs", "purser::net::Driver::turn");
    check_path("<a::B as c::D>::e", "/a/src/net.rs", "<a::B as c::D>::e");
}

#[test]
fn what_is_missing_is_a_sentence() {
    let refused = |said: Result<(), String>| said.expect_err("it is missing");
    let perf = perf::run("/nonexistent/perf", ["--version"]).map(|_| ());
    assert_eq!(refused(perf), "perf is not installed; Debian has it in the package linux-perf");
    assert_eq!(
        refused(the_one(&[]).map(|_| ())),
        "no process is named purser; --scenario starts one with load"
    );
    let several = the_one(&[7, 9]).map(|_| ());
    assert_eq!(refused(several), "several processes are named purser: --pid says which, of 7, 9");
    assert_eq!(the_one(&[7]), Ok(7));
    let gone = perf::record(u32::MAX, 1, &PerfEvent::switches(), Path::new("/nonexistent/perf.data"));
    assert_eq!(refused(gone), "there is no process 4294967295");
}
