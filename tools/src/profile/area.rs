//! Whose time a sample is: the kernel's, by what it does there, or a module's.

/// A part of the server or of the kernel under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    KernelSockets,
    KernelRing,
    KernelDisk,
    KernelScheduler,
    KernelMemory,
    Kernel,
    Ring,
    Http,
    Json,
    Wallet,
    Journal,
    Shard,
    Net,
    Glommio,
    Server,
    Other,
    Unknown,
}

/// Suffix of a kernel's frame in a folded stack, as the tools around flame graphs have it.
pub(crate) const KERNEL: &str = "_[k]";

/// Suffix of an inlined frame.
pub(crate) const INLINED: &str = "_[i]";

/// The name of a frame that perf has no symbol for.
pub(crate) const UNKNOWN: &str = "[unknown]";

impl Area {
    /// All, in the order of tables.
    pub(crate) const ALL: [Self; 17] = [
        Self::KernelSockets,
        Self::KernelRing,
        Self::KernelDisk,
        Self::KernelScheduler,
        Self::KernelMemory,
        Self::Kernel,
        Self::Ring,
        Self::Http,
        Self::Json,
        Self::Wallet,
        Self::Journal,
        Self::Shard,
        Self::Net,
        Self::Glommio,
        Self::Server,
        Self::Other,
        Self::Unknown,
    ];

    /// The name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KernelSockets => "kernel: sockets, TCP",
            Self::KernelRing => "kernel: rings",
            Self::KernelDisk => "kernel: disk",
            Self::KernelScheduler => "kernel: scheduler",
            Self::KernelMemory => "kernel: memory",
            Self::Kernel => "kernel: other",
            Self::Ring => "ring",
            Self::Http => "http",
            Self::Json => "json",
            Self::Wallet => "wallet",
            Self::Journal => "journal",
            Self::Shard => "shard",
            Self::Net => "net",
            Self::Glommio => "glommio",
            Self::Server => "server",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }

    /// Red, green and blue of its frames: the kernel is warm, the server cold, what is nobody's grey.
    pub(crate) const fn colour(self) -> [u8; 3] {
        match self {
            Self::KernelSockets => [240, 150, 70],
            Self::KernelRing => [245, 190, 80],
            Self::KernelDisk => [225, 105, 85],
            Self::KernelScheduler => [235, 205, 130],
            Self::KernelMemory => [215, 130, 110],
            Self::Kernel => [235, 175, 130],
            Self::Ring => [110, 150, 220],
            Self::Http => [90, 185, 235],
            Self::Json => [95, 200, 190],
            Self::Wallet => [110, 195, 110],
            Self::Journal => [175, 140, 220],
            Self::Shard => [150, 200, 160],
            Self::Net => [140, 175, 225],
            Self::Glommio => [185, 190, 215],
            Self::Server => [170, 200, 215],
            Self::Other | Self::Unknown => [205, 205, 205],
        }
    }

    /// The area of a folded stack: that of the innermost frame which belongs to one. The kernel's time is the kernel's,
    /// whoever has called it. The outermost frame is the thread's name.
    pub(crate) fn of_stack(line: &str) -> Self {
        let Some((_, frames)) = line.split_once(';') else { return Self::Unknown };
        let in_kernel = frames.ends_with(KERNEL);
        let otherwise = if in_kernel { Self::Kernel } else { Self::Other };
        let mut inwards = frames.rsplit(';').take_while(|frame| frame.ends_with(KERNEL) == in_kernel);
        inwards.find_map(Self::of_frame).unwrap_or(otherwise)
    }

    /// The area that a frame says by its name.
    pub(crate) fn of_frame(frame: &str) -> Option<Self> {
        if frame == UNKNOWN {
            return Some(Self::Unknown);
        }
        let (name, rows) = match frame.strip_suffix(KERNEL) {
            Some(name) => (name.trim_start_matches('_'), KERNEL_ROWS),
            None => (subject(frame), MODULE_ROWS),
        };
        let row = rows.iter().find(|(_, prefixes)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        row.map(|(area, _)| *area)
    }
}

/// The path that a method's name is about: `purser_api` of `<&mut purser_api::Text as serde::Visitor>::visit`.
fn subject(name: &str) -> &str {
    let mut name = name;
    for noise in ["<", "&", "mut ", "dyn "] {
        name = name.strip_prefix(noise).unwrap_or(name);
    }
    name
}

type AreaTable = &'static [(Area, &'static [&'static str])];

/// The first row that fits is taken.
const MODULE_ROWS: AreaTable = &[
    (Area::Http, &["purser_http", "httparse::", "httpdate::"]),
    (Area::Json, &["purser_api", "sonic_", "serde", "base64::"]),
    (Area::Wallet, &["purser_wallet"]),
    (Area::Journal, &["purser_journal", "purser_storage", "rkyv::"]),
    (Area::Ring, &["purser_ring", "io_uring::"]),
    (Area::Net, &["purser::net"]),
    (Area::Shard, &["purser_shard", "crossbeam_"]),
    (Area::Server, &["purser"]),
    // The liburing that glommio brings has no paths.
    (Area::Glommio, &["glommio::", "io_uring_", "__io_uring_", "_io_uring_"]),
];

/// By the names of the kernel's functions without leading underscores; the first row that fits is taken.
const KERNEL_ROWS: AreaTable = &[
    (Area::KernelDisk, &["io_schedule", "io_fsync", "io_write", "io_read", "io_rw"]),
    (Area::KernelSockets, &["io_send", "io_recv", "io_accept", "io_provide", "sys_send", "sys_recv"]),
    (
        Area::KernelRing,
        &["io_", "do_sys_io_uring", "sys_io_uring", "req_", "create_io", "task_work_run", "tctx_task"],
    ),
    (
        Area::KernelSockets,
        &[
            "tcp_",
            "sock_",
            "sk_",
            "skb_",
            "inet_",
            "ip_",
            "ipv4_",
            "ipv6_",
            "net_",
            "netif_",
            "napi_",
            "dev_",
            "neigh_",
            "nf_",
            "eth_",
            "loopback_",
            "process_backlog",
            "lock_sock",
            "release_sock",
            "validate_xmit",
            "kfree_skb",
            "alloc_skb",
            "build_skb",
            "unix_",
            "bictcp",
            "cubictcp",
            "bbr_",
            "dst_",
            "qdisc_",
            "sch_",
            "fq_",
        ],
    ),
    (
        Area::KernelDisk,
        &[
            "ext4_",
            "jbd2_",
            "xfs_",
            "btrfs_",
            "f2fs_",
            "blk_",
            "blkdev_",
            "bio_",
            "submit_bio",
            "iomap_",
            "dio_",
            "virtblk_",
            "virtio_",
            "virtqueue_",
            "vp_",
            "vring_",
            "nvme_",
            "scsi_",
            "vfs_",
            "generic_file",
            "filemap_",
            "elv_",
            "mq_",
            "dd_",
            "bvec_",
            "dm_",
            "vm_notify",
            "vm_interrupt",
        ],
    ),
    (
        Area::KernelMemory,
        &[
            "asm_exc_page_fault",
            "exc_page_fault",
            "handle_mm_fault",
            "do_user_addr_fault",
            "do_anonymous_page",
            "clear_page",
            "alloc_pages",
            "do_mmap",
            "do_munmap",
            "vm_munmap",
            "unmap_",
            "zap_",
            "do_madvise",
            "tlb_",
            "flush_tlb",
        ],
    ),
    (
        Area::KernelScheduler,
        &[
            "schedule",
            "try_to_wake_up",
            "ttwu_",
            "wake_",
            "finish_task_switch",
            "switch_to",
            "pick_next",
            "pick_task",
            "enqueue_",
            "dequeue_",
            "sched_",
            "select_task_rq",
            "update_curr",
            "update_load",
            "futex_",
            "do_futex",
            "default_wake_function",
            "autoremove_wake",
            "eventfd_",
            "hrtimer_",
            "tick_",
            "update_process",
            "prepare_task_switch",
            "perf_event_task_sched",
            "set_next_",
            "put_prev_",
            "place_entity",
            "do_idle",
        ],
    ),
];
