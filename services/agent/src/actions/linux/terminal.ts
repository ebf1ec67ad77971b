/** First of the eight major numbers of Unix98 terminals, and that of consoles (Documentation/admin-guide/devices.txt of Linux). */
const PTS_MAJOR = 136;
const PTS_MAJORS = 8;
const CONSOLE_MAJOR = 4;
const SERIAL_FROM = 64;

/** Name of the terminal with this device number as `tty_nr` of proc_pid_stat(5) has it, such as `pts/3`; `undefined` for other devices. */
export function terminalName(device: number): string | undefined {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xf_ff00);
  if (major >= PTS_MAJOR && major < PTS_MAJOR + PTS_MAJORS) return `pts/${(major - PTS_MAJOR) * 256 + minor}`;
  if (major !== CONSOLE_MAJOR || minor === 0) return undefined;
  return minor < SERIAL_FROM ? `tty${minor}` : `ttyS${minor - SERIAL_FROM}`;
}
