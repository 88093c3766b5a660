//! A word to the processor about what will be read soon.

/// Asks for the memory of `place`, up to four cache lines of it, before it is needed. Changes nothing but the time that it takes
/// to read it later; where the processor has no such instruction it does nothing.
///
/// With 75,000 tasks alive a record lies in no near cache, and the next one to end is known an event ahead.
#[inline(always)]
pub fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        let start: *const i8 = std::ptr::from_ref(place).cast();
        for line in 0..size_of::<T>().div_ceil(LINE).min(4) {
            // A hint about memory inside of a valid reference. On 10,000 workers with 75,000 tasks alive a task took 27% less
            // time with it (`cargo bench --bench fit`, first fit, load 0.7: 1,385 ns before, 1,010 after).
            #[expect(unsafe_code, reason = "no safe name for the instruction")]
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.add(line * LINE));
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
