//! What the attribute's code calls. Not for use by hand.
//!
//! On wasm32: the mailbox, the allocator and the panic handler. All state of a plugin is here, and lives as long as its
//! instance: for one event.

use crate::level::Level;
use crate::{Event, Verdict};
use core::fmt;

/// Writes a line of the log.
pub(crate) fn log(level: Level, text: fmt::Arguments<'_>) {
    #[cfg(target_arch = "wasm32")]
    wasm::log(level, text);
    #[cfg(not(target_arch = "wasm32"))]
    crate::test::log(level, text);
}

/// A plugin's function, after the attribute has put its parameters together.
pub type Call = fn(Event<'_>) -> Verdict;

#[cfg(target_arch = "wasm32")]
pub use wasm::{input, mailbox, transform};

#[cfg(target_arch = "wasm32")]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "an address has 32 bits, signed or not"
)]
mod wasm {
    //! The side of the ABI that `plugin-host/abi-v1.wat` documents.

    use super::{Call, Event, Level, Verdict, fmt};
    use crate::level::Lines;
    use alloc::alloc::{GlobalAlloc, Layout};
    use alloc::string::{String, ToString};
    use core::cell::{Cell, RefCell};
    use core::sync::atomic::AtomicU32;
    use core::sync::atomic::Ordering::Relaxed;

    /// The words that the host reads: size, output, log, error text, flags. Atomics, as they may be static and need no
    /// `unsafe`; on wasm32 they are plain loads and stores.
    static MAILBOX: [AtomicU32; 8] = [
        AtomicU32::new(32),
        AtomicU32::new(0),
        AtomicU32::new(0),
        AtomicU32::new(0),
        AtomicU32::new(0),
        AtomicU32::new(0),
        AtomicU32::new(0),
        AtomicU32::new(0),
    ];
    const OUT: usize = 1;
    const LOG: usize = 3;
    const ERR: usize = 5;
    const FLAGS: usize = 7;

    /// State of the one thread that there is.
    struct Single<T>(T);

    #[allow(unsafe_code)]
    // SAFETY: admission refuses modules with threads, so no second one can see the value.
    unsafe impl<T> Sync for Single<T> {}

    static LINES: Single<RefCell<Lines>> = Single(RefCell::new(Lines::new()));

    fn address(bytes: &[u8]) -> u32 {
        bytes.as_ptr().addr() as u32
    }

    /// Tells the host where some bytes are. They have to stay there for good.
    fn publish(slot: usize, bytes: &[u8]) {
        MAILBOX[slot].store(address(bytes), Relaxed);
        MAILBOX[slot + 1].store(bytes.len() as u32, Relaxed);
    }

    /// The same for bytes that nobody else keeps.
    fn publish_text(slot: usize, text: &str) {
        publish(slot, String::from(text).leak().as_bytes());
    }

    pub(super) fn log(level: Level, text: fmt::Arguments<'_>) {
        // A `Display` that logs while it is logged finds the lines taken, and its own line is left out.
        let Ok(mut lines) = LINES.0.try_borrow_mut() else { return };
        lines.write(level, text);
        // After every line: a trap may come before the next.
        publish(LOG, lines.bytes());
        MAILBOX[FLAGS].store(u32::from(lines.discarded()), Relaxed);
    }

    /// `weir_abi_v1`: the mailbox.
    pub fn mailbox() -> i32 {
        #[cfg(feature = "std")]
        std::panic::set_hook(alloc::boxed::Box::new(|info| {
            panicked(info.payload_as_str().unwrap_or("a panic"), info.location());
        }));
        MAILBOX.as_ptr().addr() as i32
    }

    /// Where the input is, and its length.
    static INPUT: Single<Cell<&[u8]>> = Single(Cell::new(&[]));

    /// `weir_input`: room for the input, or 0.
    pub fn input(length: i32) -> i32 {
        let Ok(size) = usize::try_from(length) else { return 0 };
        // Zeroed by wasm itself, as no byte of the heap was used before; eight more so that it is never empty.
        let Some(words) = (size / 8).checked_add(1) else { return 0 };
        let mut room = alloc::vec::Vec::<u64>::new();
        if room.try_reserve_exact(words).is_err() {
            return 0;
        }
        let address = room.spare_capacity_mut().as_mut_ptr().addr();
        #[allow(unsafe_code)]
        // SAFETY: the vector's room is at least `size` bytes long and never given back, as it is forgotten; memory of a
        // wasm instance always holds some byte. The host writes into it only before `weir_transform` reads it.
        let bytes = unsafe { core::slice::from_raw_parts(room.as_ptr().cast::<u8>(), size) };
        core::mem::forget(room);
        INPUT.0.set(bytes);
        address as i32
    }

    /// `weir_transform`: the verdict.
    pub fn transform(length: i32, call: Call) -> i32 {
        // The host has written since the slice was made; the compiler must not know better.
        let input = core::hint::black_box(INPUT.0.get());
        let input = usize::try_from(length).ok().and_then(|length| input.get(..length)).unwrap_or_default();
        match call(Event::of_frame(input)) {
            Verdict::Deliver => 0,
            Verdict::Replace(patch) => {
                publish(OUT, patch.to_frame().leak());
                1
            }
            Verdict::Drop(reason) => {
                publish_text(ERR, &reason);
                2
            }
            Verdict::Fail(error) => {
                publish_text(ERR, &error.text);
                if error.retryable { 3 } else { 4 }
            }
        }
    }

    /// Leaves a panic's message where the host finds it after the trap: `index out of bounds, src/lib.rs:12:5`.
    fn panicked(message: impl fmt::Display, location: Option<&core::panic::Location<'_>>) {
        static PANICKING: Single<Cell<bool>> = Single(Cell::new(false));
        if PANICKING.0.replace(true) {
            // The message itself panicked, or there is no memory for it.
            return;
        }
        let mut text = message.to_string();
        if let Some(location) = location {
            text.push_str(", ");
            text.push_str(location.file());
            for number in [location.line(), location.column()] {
                text.push(':');
                text.push_str(&number.to_string());
            }
        }
        publish(ERR, text.leak().as_bytes());
    }

    #[cfg(not(feature = "std"))]
    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
        panicked(info.message(), info.location());
        core::arch::wasm32::unreachable()
    }

    /// Allocates upwards and frees nothing but the newest: an instance lives for one event.
    struct Bump {
        /// Where the next allocation may begin; 0 before the first.
        next: Cell<usize>,
        /// Where the memory that was asked for ends.
        end: Cell<usize>,
    }

    const PAGE: usize = 64 * 1024;

    #[allow(unsafe_code)]
    unsafe extern "C" {
        /// Placed by the linker: the first byte that is neither data nor stack.
        static __heap_base: u8;
    }

    impl Bump {
        /// Makes sure that the memory reaches up to `end`.
        fn reach(&self, end: usize) -> bool {
            if end <= self.end.get() {
                return true;
            }
            let pages = (end - self.end.get()).div_ceil(PAGE);
            if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
                return false;
            }
            self.end.set(self.end.get() + pages * PAGE);
            true
        }

        fn start(&self) -> usize {
            if self.end.get() == 0 {
                self.next.set((&raw const __heap_base).addr());
                self.end.set(core::arch::wasm32::memory_size(0) * PAGE);
            }
            self.next.get()
        }
    }

    #[allow(unsafe_code)]
    // SAFETY: ranges that are handed out lie between the heap's base and the memory's end and never overlap, since `next`
    // only moves back over a range that is given back.
    unsafe impl GlobalAlloc for Single<Bump> {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let bump = &self.0;
            let start = bump.start().next_multiple_of(layout.align());
            match start.checked_add(layout.size()) {
                Some(end) if bump.reach(end) => {
                    bump.next.set(end);
                    core::ptr::with_exposed_provenance_mut(start)
                }
                _ => core::ptr::null_mut(),
            }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            let bump = &self.0;
            if pointer.addr() + layout.size() == bump.next.get() {
                bump.next.set(pointer.addr());
            }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            let bump = &self.0;
            if pointer.addr() + layout.size() == bump.next.get() {
                // The newest grows where it is: a text that is written bit by bit is not copied.
                return match pointer.addr().checked_add(size) {
                    Some(end) if bump.reach(end) => {
                        bump.next.set(end);
                        pointer
                    }
                    _ => core::ptr::null_mut(),
                };
            }
            if size <= layout.size() {
                return pointer;
            }
            // SAFETY: the size is not zero, as the caller promises, and the alignment is one that was valid before.
            let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
            if !new.is_null() {
                // SAFETY: the old range is `layout.size()` bytes, the new one longer, and they do not overlap.
                unsafe { core::ptr::copy_nonoverlapping(pointer, new, layout.size()) };
            }
            new
        }
    }

    #[global_allocator]
    static ALLOCATOR: Single<Bump> = Single(Bump { next: Cell::new(0), end: Cell::new(0) });
}
