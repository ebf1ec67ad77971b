/** Names of capabilities by their bits (linux/capability.h). */
const NAMES = [
  ...['chown', 'dac_override', 'dac_read_search', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap'],
  ...['linux_immutable', 'net_bind_service', 'net_broadcast', 'net_admin', 'net_raw', 'ipc_lock', 'ipc_owner'],
  ...['sys_module', 'sys_rawio', 'sys_chroot', 'sys_ptrace', 'sys_pacct', 'sys_admin', 'sys_boot', 'sys_nice'],
  ...['sys_resource', 'sys_time', 'sys_tty_config', 'mknod', 'lease', 'audit_write', 'audit_control', 'setfcap'],
  ...['mac_override', 'mac_admin', 'syslog', 'wake_alarm', 'block_suspend', 'audit_read', 'perfmon', 'bpf'],
  'checkpoint_restore',
].map((name) => `cap_${name}`);
const EFFECTIVE = 1;
const BITS = 64;
/** A capability's flags as one number, as libcap has them. */
const FLAGS = { e: 1, p: 2, i: 4 } as const;

/** `security.capability` of a file, as getcap(8) writes it: `cap_net_raw=ep`. `undefined` when the value is none. */
export function fileCapabilities(value: Buffer): string | undefined {
  if (value.length < 12) return undefined;
  const magic = value.readUInt32LE(0);
  const words = magic >>> 24 === 1 ? 1 : 2;
  if (value.length < 4 + 8 * words) return undefined;
  const effective = (magic & EFFECTIVE) === 0 ? 0 : FLAGS.e;
  const has = (set: number, bit: number): boolean =>
    bit < 32 * words && (value.readUInt32LE(4 + 8 * (bit >> 5) + 4 * set) & (1 << (bit & 31))) !== 0;
  return capabilityText((bit) => {
    const flags = (has(0, bit) ? FLAGS.p : 0) | (has(1, bit) ? FLAGS.i : 0);
    return flags === 0 ? 0 : flags | effective;
  });
}

/** As cap_to_text(3): what most bits have comes first, then where others differ from it. */
function capabilityText(flagsOf: (bit: number) => number): string {
  const all = Array.from({ length: BITS }, (_, bit) => flagsOf(bit));
  const counts = Array.from({ length: 8 }, (_, flags) => all.filter((each) => each === flags).length);
  const common = counts.indexOf(Math.max(...counts));
  const parts = common === 0 ? [] : [`=${flagText(common)}`];
  for (let flags = 7; flags >= 0; flags -= 1) {
    const names = flags === common ? [] : NAMES.filter((_, bit) => all[bit] === flags);
    if (names.length === 0) continue;
    const [more, less] = [flags & ~common, ~flags & common];
    const added = more === 0 ? '' : `${parts.length === 0 ? '=' : '+'}${flagText(more)}`;
    parts.push(`${names.join(',')}${added}${less === 0 ? '' : `-${flagText(less)}`}`);
  }
  return parts.length === 0 ? '=' : parts.join(' ');
}

function flagText(flags: number): string {
  return (['e', 'i', 'p'] as const).filter((flag) => (flags & FLAGS[flag]) !== 0).join('');
}
