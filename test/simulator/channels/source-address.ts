/** Agents per source address: far below the 28,232 ephemeral ports that Linux has for one address and one destination. */
const AGENTS_PER_ADDRESS = 4_000;

/**
 * The address from which agent `index` connects; `undefined` leaves it to the kernel. To the loopback network any address of 127.0.0.0/8
 * can connect, so a fleet of any size has enough ports.
 */
export function sourceAddress(host: string, index: number): string | undefined {
  if (process.platform !== 'linux' || !host.startsWith('127.')) return undefined;
  const block = Math.floor(index / AGENTS_PER_ADDRESS) + 1;
  return `127.${(block >> 8) & 63}.${block & 255}.2`;
}
