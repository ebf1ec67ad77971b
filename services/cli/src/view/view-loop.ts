import type { ScreenSize } from '../terminal/screen.js';
import type { Terminal } from '../terminal/terminal.js';

/** What is shown on a whole terminal. */
export interface View {
  lines(size: ScreenSize): readonly string[];
  /** Returns true when the view is to be left. */
  key(key: string): boolean;
  /** Gets what is shown, until the signal; calls `changed` whenever there is something new. What it throws ends the view. */
  feed(signal: AbortSignal, changed: () => void): Promise<void>;
}

/** Ages on the screen go on without news. */
const REDRAW_MS = 1_000;
/** A past of ten minutes comes as 600 events: they are one frame. */
const FRAME_MS = 40;

/** Shows a view until it is left. Undefined when the terminal cannot show one. */
export async function showView(terminal: Terminal, view: View): Promise<'left' | 'interrupted' | undefined> {
  const stop = new AbortController();
  const wake = new Wake();
  let ended: 'left' | 'interrupted' | undefined;
  const end = (how: 'left' | 'interrupted'): void => {
    ended ??= how;
    wake.up();
  };
  const screen = terminal.openScreen({
    key: (key) => (view.key(key) ? end('left') : wake.up()),
    resized: () => wake.up(),
    interrupted: () => end('interrupted'),
  });
  if (screen === undefined) return undefined;
  let fault: { readonly error: unknown } | undefined;
  const fed = view
    .feed(stop.signal, () => wake.up())
    .catch((error: unknown) => {
      fault = { error };
      wake.up();
    });
  try {
    while (ended === undefined) {
      if (fault !== undefined) throw fault.error;
      screen.draw(view.lines(screen.size));
      await pause(FRAME_MS);
      await wake.within(REDRAW_MS);
    }
    return ended;
  } finally {
    screen.close();
    stop.abort();
    await fed;
  }
}

/** Lets one waiter go on, now or at the next wait. */
class Wake {
  #isUp = false;
  #resolve: (() => void) | undefined;

  up(): void {
    this.#isUp = true;
    this.#resolve?.();
  }

  async within(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    if (!this.#isUp)
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
        timer = setTimeout(resolve, ms);
      });
    clearTimeout(timer);
    this.#resolve = undefined;
    this.#isUp = false;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
