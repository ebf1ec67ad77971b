/** What no program may do, whatever happens around it. */
type Misconduct = 'no process ends by an error that nobody handles' | 'no handler of messages throws';

/** The promise that a history breaks in which time does not go on: nothing in it can be judged further. */
export const STANDSTILL = 'time goes on: nobody works for ever without waiting';

/** A program did it. */
export interface ProgramError {
  readonly property: Misconduct;
  readonly who: string;
  readonly what: string;
}

/** Thrown by a world in which events go on and time does not. */
export class StandstillError extends Error {
  readonly who: string;

  constructor(who: string, what: string) {
    super(what);
    this.who = who;
  }
}

const FRAMES = 4;

/** An error and where it comes from, the same on every machine. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return `${String(error)} was thrown`;
  const frames = framesOf(error);
  return frames === '' ? error.message : `${error.message}, ${frames}`;
}

/** The functions of ours in a stack, the innermost first. */
export function framesOf({ stack = '' }: Error): string {
  const ours = stack.split('\n').flatMap((line) => {
    const [, name, file, lineNumber] =
      /^ +at (?:(.+?) \()?.*?\/((?:services|shared|test)\/[^:?]+):(\d+)/.exec(line) ?? [];
    return file === undefined || file.startsWith('test/dist/simulation/world/')
      ? []
      : [`at ${name ?? 'a function'} (${file}:${lineNumber})`];
  });
  return ours.slice(0, FRAMES).join(' ');
}
