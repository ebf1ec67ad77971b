/** Which faults happened when. */
export class FaultLog {
  readonly #faults: { readonly target: string; readonly fromMs: number; readonly toMs: number }[] = [];

  add(target: string, fromMs: number, toMs: number): void {
    this.#faults.push({ target, fromMs, toMs });
  }

  /** Whether one was under way between these times. */
  touch(fromMs: number, toMs: number, isMeant: (target: string) => boolean = () => true): boolean {
    return this.#faults.some((fault) => isMeant(fault.target) && fault.fromMs <= toMs && fault.toMs >= fromMs);
  }
}
