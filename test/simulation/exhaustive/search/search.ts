/** What an exhaustive search has seen. */
export interface Searched {
  readonly states: number;
  readonly steps: number;
  /** The steps to the first state that breaks a promise, and what is wrong with it. */
  readonly broken: { readonly path: readonly string[]; readonly what: string } | undefined;
}

/** One thing that may happen in a state. */
export interface Step<S> {
  readonly name: string;
  readonly run: (state: S) => void;
  /** Whether it can happen in a state; default: always. */
  readonly can?: (state: S) => boolean;
}

export interface SearchOptions<S> {
  /** A new state, the first one. */
  readonly begin: () => S;
  readonly steps: readonly Step<S>[];
  /** All that matters of a state: two with the same key go on in the same way. */
  readonly key: (state: S) => string;
  /** What is wrong with a state, or with the step from `before` (its key) to it. */
  readonly check: (state: S, step: Step<S>, before: string) => string | undefined;
}

/**
 * Every state that can be reached, breadth first, so that the first one that breaks a promise has a shortest path. States are made anew by
 * their paths: the code under search has no way to copy them.
 */
export function search<S>({ begin, steps, key, check }: SearchOptions<S>): Searched {
  const paths = new Map<string, readonly number[]>([[key(begin()), []]]);
  const queue = [...paths.entries()];
  let taken = 0;
  for (const [before, path] of queue) {
    const make = (): S => {
      const state = begin();
      for (const each of path) steps[each]?.run(state);
      return state;
    };
    let spare: S | undefined = make();
    const possible = steps.map(({ can }) => can === undefined || (spare !== undefined && can(spare)));
    for (const [index, step] of steps.entries()) {
      if (possible[index] !== true) continue;
      const state = spare ?? make();
      spare = undefined;
      step.run(state);
      taken += 1;
      const longer = [...path, index];
      const what = check(state, step, before);
      if (what !== undefined)
        return {
          states: paths.size,
          steps: taken,
          broken: { path: longer.map((each) => steps[each]?.name ?? ''), what },
        };
      const after = key(state);
      if (paths.has(after)) continue;
      paths.set(after, longer);
      queue.push([after, longer]);
    }
  }
  return { states: paths.size, steps: taken, broken: undefined };
}
