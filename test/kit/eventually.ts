/** Resolves when the condition holds; a condition that cannot be asked does not hold. Throws after `withinMs`. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean> | boolean,
  withinMs: number,
): Promise<void> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    let fault = '';
    try {
      if (await holds()) return;
    } catch (error) {
      fault = `, ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > untilMs) throw new Error(`${what}: not within ${withinMs} ms${fault}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
