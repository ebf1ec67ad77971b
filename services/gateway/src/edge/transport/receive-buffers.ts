import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import type { LibraryHandle } from 'koffi';

/** Numbers of Linux on x64 and arm64 (asm-generic/socket.h). */
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ACCEPTCONN = 30;
const ARCHITECTURES = ['x64', 'arm64'];
const [AF_INET, AF_INET6] = [2, 10];
/** Long enough for a socket address of IPv6. The port is in the same place in one of IPv4. */
const ADDRESS_BYTES = 28;
/** The kernel doubles what is asked for, for its own overhead. This is as much as it grants by default (`net.core.rmem_max`). */
const ASKED_BYTES = 212_992;
const BOUND_BYTES = 2 * ASKED_BYTES;

type SetOption = (fd: number, level: number, name: number, value: Int32Array, bytes: number) => number;
type GetOption = (fd: number, level: number, name: number, value: Int32Array, bytes: Uint32Array) => number;
type GetName = (fd: number, address: Uint8Array, bytes: Uint32Array) => number;

/**
 * Bounds how much the kernel keeps of what a peer sent, for sockets of this process whose numbers nobody gives: those of uWebSockets. One
 * read then never brings more than that.
 */
export class ReceiveBuffers {
  readonly #setsockopt: SetOption;
  readonly #getsockopt: GetOption;
  readonly #getsockname: GetName;

  private constructor(libc: LibraryHandle) {
    this.#setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)') as SetOption;
    this.#getsockopt = libc.func('int getsockopt(int, int, int, void *, void *)') as GetOption;
    this.#getsockname = libc.func('int getsockname(int, void *, void *)') as GetName;
  }

  /** Undefined where this process cannot set options of its sockets: not on Linux, or the library for it does not load. */
  static async load(): Promise<ReceiveBuffers | undefined> {
    if (process.platform !== 'linux' || !ARCHITECTURES.includes(process.arch)) return undefined;
    try {
      const { default: koffi } = await import('koffi');
      const buffers = new ReceiveBuffers(koffi.load(null));
      return (await buffers.#works()) ? buffers : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Bounds the sockets of a local TCP port, open ones too; those that it accepts later inherit the bound. Returns false when there is no
   * listening socket, or one that could not be bounded.
   */
  bound(port: number): boolean {
    let isListening = false;
    for (const name of readdirSync('/proc/self/fd')) {
      const fd = Number(name);
      if (this.#portOf(fd) !== port) continue;
      this.#setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Int32Array.of(ASKED_BYTES), 4);
      const granted = this.#optionOf(fd, SO_RCVBUF);
      if (granted === undefined || granted > BOUND_BYTES) return false;
      isListening ||= this.#optionOf(fd, SO_ACCEPTCONN) === 1;
    }
    return isListening;
  }

  /** Tries it on a socket of its own. */
  async #works(): Promise<boolean> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      return this.bound((server.address() as AddressInfo).port);
    } finally {
      server.close();
    }
  }

  #portOf(fd: number): number | undefined {
    const address = Buffer.alloc(ADDRESS_BYTES);
    if (this.#getsockname(fd, address, Uint32Array.of(ADDRESS_BYTES)) !== 0) return undefined;
    const family = address.readUInt16LE(0);
    return family === AF_INET || family === AF_INET6 ? address.readUInt16BE(2) : undefined;
  }

  #optionOf(fd: number, option: number): number | undefined {
    const value = new Int32Array(1);
    return this.#getsockopt(fd, SOL_SOCKET, option, value, Uint32Array.of(4)) === 0 ? value[0] : undefined;
  }
}
