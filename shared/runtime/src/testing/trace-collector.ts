import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CollectedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly name: string;
  /** As OTLP numbers them: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string>>;
  readonly events: readonly string[];
  readonly isError: boolean;
}

/** A collector of traces: takes OTLP over HTTP in protobuf and keeps the spans. */
export class TraceCollector {
  readonly spans: CollectedSpan[] = [];
  /** The headers of the last request. */
  headers: Readonly<Record<string, unknown>> = {};
  /** What the next requests are answered with; `hang` takes them and says nothing. */
  answer: number | 'hang' = 200;
  requests = 0;
  readonly #server: Server;
  readonly #hanging: ServerResponse[] = [];

  constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        this.requests += 1;
        this.headers = request.headers;
        if (this.answer === 'hang') return void this.#hanging.push(response);
        if (this.answer === 200 && request.url === '/v1/traces') this.spans.push(...decodeSpans(Buffer.concat(parts)));
        response.writeHead(request.url === '/v1/traces' ? this.answer : 404).end();
      });
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  ofTrace(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  async stop(): Promise<void> {
    // Refused for good, so that nobody tries again.
    for (const response of this.#hanging) response.writeHead(400).end();
    this.#server.close();
    this.#server.closeIdleConnections();
    await once(this.#server, 'close');
  }
}

/** Field number → its values: numbers as bigint, the rest as bytes. */
type Message = ReadonlyMap<number, readonly (bigint | Buffer)[]>;

/** Field numbers: opentelemetry-proto, trace/v1/trace.proto. */
function decodeSpans(body: Buffer): CollectedSpan[] {
  return messages(decode(body), 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messages(messages(resourceSpans, 1)[0] ?? new Map(), 1));
    const scopes = messages(resourceSpans, 2);
    return scopes.flatMap((scope) => messages(scope, 2)).map((span) => spanOf(span, resource['service.name'] ?? ''));
  });
}

function spanOf(span: Message, service: string): CollectedSpan {
  const status = messages(span, 15)[0];
  return {
    service,
    traceId: bytes(span, 1).toString('hex'),
    spanId: bytes(span, 2).toString('hex'),
    parentId: bytes(span, 4).toString('hex'),
    name: bytes(span, 5).toString(),
    kind: Number(number(span, 6)),
    startNs: number(span, 7),
    endNs: number(span, 8),
    attributes: attributesOf(messages(span, 9)),
    events: messages(span, 11).map((event) => bytes(event, 2).toString()),
    isError: status !== undefined && number(status, 3) === 2n,
  };
}

function attributesOf(pairs: readonly Message[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [value = new Map() as Message] = messages(pair, 2);
      const text = value.has(1) ? bytes(value, 1).toString() : String(number(value, value.has(2) ? 2 : 3));
      return [bytes(pair, 1).toString(), text];
    }),
  );
}

const messages = (message: Message, field: number): Message[] =>
  (message.get(field) ?? []).map((value) => decode(value as Buffer));
const bytes = (message: Message, field: number): Buffer =>
  (message.get(field)?.[0] as Buffer | undefined) ?? Buffer.of();
const number = (message: Message, field: number): bigint => (message.get(field)?.[0] as bigint | undefined) ?? 0n;

function decode(body: Buffer): Message {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = body.readUInt8(at);
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => body.subarray(at, (at += length));
  while (at < body.length) {
    const key = Number(varint());
    const [field, wire] = [key >> 3, key & 7];
    const value =
      wire === 0
        ? varint()
        : wire === 1
          ? take(8).readBigUInt64LE()
          : wire === 5
            ? BigInt(take(4).readUInt32LE())
            : take(Number(varint()));
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}
