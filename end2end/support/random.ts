// Numbers that a seed draws, the same ones for the same seed, so that what was found can be repeated.

/** Whole numbers from 0 up to 2³² (mulberry32, after Tommy Ettinger). */
function words(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Numbers from 0 up to 1. */
export function random(seed: number): () => number {
  const word = words(seed);
  return () => word() / 2 ** 32;
}

/** Whole numbers from 0 up to, but not including, `below`. */
export function drawing(seed: number): (below: number) => number {
  const word = words(seed);
  return (below) => word() % below;
}
