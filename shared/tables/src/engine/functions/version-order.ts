/** The delimiters of a version, by rank. */
const DELIMITERS = '~-^.:';
const [TILDE, HYPHEN, CARET] = ['~', '-', '^'].map((one) => one.charCodeAt(0));

/** How osquery compares versions of one kind of package. */
interface VersionRules {
  /** A version with a colon is newer than one without; of two, the one whose colon comes later. */
  readonly epoch: boolean;
  /** Two delimiters at one place differ by rank. */
  readonly rankDelimiters: boolean;
  /** The delimiter that follows the end of the shorter version decides: `~` is older, `-` equal, `^` newer. */
  readonly readRest: boolean;
  /** With `readRest`: after a digit the longer version is newer, whatever the last piece says. */
  readonly digitsByLength: boolean;
}

/** By the name of the collation. */
export const VERSION_RULES = {
  version: { epoch: false, rankDelimiters: false, readRest: false, digitsByLength: false },
  version_arch: { epoch: true, rankDelimiters: false, readRest: true, digitsByLength: true },
  version_dpkg: { epoch: true, rankDelimiters: true, readRest: false, digitsByLength: false },
  version_rhel: { epoch: true, rankDelimiters: true, readRest: true, digitsByLength: false },
} as const satisfies Readonly<Record<string, VersionRules>>;

const rank = (byte: number | undefined): number =>
  byte === undefined ? 0 : DELIMITERS.indexOf(String.fromCharCode(byte)) + 1;
/** Characters are signed in C. */
const signed = (byte: number | undefined): number => ((byte ?? 0) << 24) >> 24;
const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/**
 * Negative, 0 or positive, as osquery 5 orders versions: pieces between delimiters by length first, then byte by byte.
 * That is not the order of dpkg or rpm themselves; whether a package is vulnerable is not decided by it.
 */
export function compareVersions(left: Uint8Array, right: Uint8Array, rules: VersionRules): number {
  if (left.length === 0 || right.length === 0) return Math.sign(left.length - right.length);
  if (Buffer.compare(left, right) === 0) return 0;
  const epoch = rules.epoch ? compareEpochs(left, right) : 0;
  if (epoch !== 0) return epoch;
  const shared = Math.min(left.length, right.length);
  let difference = 0;
  for (let i = 0; i < shared; i += 1) {
    const [ours, theirs] = [rank(left[i]), rank(right[i])];
    if (ours === 0 && theirs === 0) {
      if (difference === 0) difference = signed(left[i]) - signed(right[i]);
      continue;
    }
    // The piece that goes on is the longer one.
    if (ours === 0) return 1;
    if (theirs === 0) return -1;
    if (difference !== 0) return difference;
    if (rules.rankDelimiters && ours !== theirs) return ours - theirs;
  }
  if (left.length === right.length) return difference;
  return left.length > right.length
    ? compareRest(left, right, difference, rules)
    : -compareRest(right, left, -difference, rules);
}

/** `longer` begins as `shorter` does, but for `difference` in the last piece. */
function compareRest(longer: Uint8Array, shorter: Uint8Array, difference: number, rules: VersionRules): number {
  const next = longer[shorter.length];
  if (!rules.readRest) return rank(next) > 0 && difference !== 0 ? difference : longer.length - shorter.length;
  switch (next) {
    case TILDE:
      return -1;
    case HYPHEN:
      return 0;
    case CARET:
      return 1;
    default:
      if (difference !== 0 && !(rules.digitsByLength && isDigit(shorter.at(-1)))) return difference;
      return longer.length - shorter.length;
  }
}

function compareEpochs(left: Uint8Array, right: Uint8Array): number {
  const [ours, theirs] = [left.indexOf(0x3a), right.indexOf(0x3a)];
  if (ours >= 0 && theirs >= 0) return ours - theirs;
  return Number(ours >= 0) - Number(theirs >= 0);
}
