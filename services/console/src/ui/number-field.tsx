import { whole } from '../text/numbers.js';
import { TextField } from './controls.js';
import { needsNumber, type Reach } from './typed-number.js';

/** Where the number of targets is typed, where it has to be. */
export function NumberField({
  reach,
  what,
  typed,
  onTyped,
}: {
  reach: Reach;
  /** What is done, and with what: `to order it for`, `targets`. */
  what: readonly [deed: string, things: string];
  typed: string;
  onTyped: (typed: string) => void;
}) {
  if (reach.count === undefined || !needsNumber(reach)) return null;
  const [deed, things] = what;
  return (
    <TextField
      label={`Type ${reach.count} ${deed} ${whole(reach.count)} ${things}`}
      value={typed}
      onChange={onTyped}
      autoComplete="off"
    />
  );
}
