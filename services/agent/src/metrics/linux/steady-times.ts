/** A minute. What goes back further has started again. */
const MAX_STEP_TICKS = 6_000;

/**
 * Times of processors. The kernel says that those of waiting and of idling may go back a little (proc_stat(5)), and a
 * receiver would take that for a restart: so they stand still until they have caught up.
 */
export class SteadyTimes {
  #held = new Float64Array();

  /** Corrects `values` in place. */
  hold(values: Float64Array): void {
    const held = this.#held;
    if (held.length === values.length) {
      for (let i = 0; i < values.length; i += 1) {
        const back = (held[i] as number) - (values[i] as number);
        if (back > 0 && back < MAX_STEP_TICKS) values[i] = held[i] as number;
      }
    }
    this.#held = values.slice();
  }
}
