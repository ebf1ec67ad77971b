export const DURATION_EXAMPLE = '30s';
export const BYTES_EXAMPLE = '4MiB';

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Milliseconds of `250ms`, `30s`, `5m`, `1h`, `2d`, `1.5h` or plain milliseconds; `undefined` for anything else. */
export function parseDurationMs(text: string): number | undefined {
  return parseQuantity(text, /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)?$/, MS_PER_UNIT);
}

/** Bytes of `512`, `64KiB`, `4MiB`, `1GB`; the unit's case does not matter. `undefined` for anything else. */
export function parseBytes(text: string): number | undefined {
  return parseQuantity(text.toLowerCase(), /^(\d{1,15}(?:\.\d{1,6})?) ?(b|kb|mb|gb|kib|mib|gib)?$/, BYTES_PER_UNIT);
}

/** `true/yes/on/1` and `false/no/off/0` in any case; `undefined` for anything else. */
export function parseBool(text: string): boolean | undefined {
  if (/^(true|yes|on|1)$/i.test(text)) return true;
  if (/^(false|no|off|0)$/i.test(text)) return false;
  return undefined;
}

function parseQuantity(text: string, form: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit] = form.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const factor = unit === undefined ? 1 : units[unit];
  return factor === undefined ? undefined : Math.round(Number(digits) * factor);
}
