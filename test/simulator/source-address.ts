/** Agents per source address: far below the 28,232 ephemeral ports that Linux gives one address towards one destination. */
const AGENTS_PER_ADDRESS = 4_000;

/**
 * The address that agent `index` connects from: `undefined` leaves it to the kernel. Towards the loopback network any address of
 * 127.0.0.0/8 will do, so a fleet of any size has ports enough.
 */
export function sourceAddress(host: string, index: number): string | undefined {
  if (process.platform !== 'linux' || !host.startsWith('127.')) return undefined;
  const block = Math.floor(index / AGENTS_PER_ADDRESS) + 1;
  return `127.${(block >> 8) & 63}.${block & 255}.2`;
}
