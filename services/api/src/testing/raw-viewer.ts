import { connect, type Socket } from 'node:net';
import type { ApiFixture } from './api-fixture.js';

export interface SeenEvent {
  readonly id: string | undefined;
  readonly event: string;
  // Tests reach into events freely.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly data: any;
}

export function parseSse(text: string): SeenEvent[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const fields = Object.fromEntries(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      return { id: fields['id'], event: fields['event'] ?? '', data: JSON.parse(fields['data'] ?? 'null') };
    });
}

/** A viewer on a plain socket, which can stop reading, as HTTP clients cannot. */
export class RawViewer {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  text = '';
  bytes = 0;

  constructor(fixture: ApiFixture, path: string, options: { read?: boolean; keep?: boolean } = {}) {
    this.socket = connect(fixture.port, '127.0.0.1', () => {
      this.socket.write(`GET ${path} HTTP/1.0\r\nhost: x\r\nauthorization: Bearer ${fixture.adminToken}\r\n\r\n`);
    });
    this.socket.on('data', (part: Buffer) => {
      this.bytes += part.length;
      if (options.keep !== false) this.text += part.toString();
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
    if (options.read === false) this.socket.pause();
  }

  /** Without the head of the response. */
  get body(): string {
    return this.text.slice(this.text.indexOf('\r\n\r\n') + 4);
  }
}
