import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startNats, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import type { Broker } from './broker.js';
import { connectNats } from './connect-nats.js';
import { text, untext } from './testing/broker-fixture.js';

/** A new entry arrives this late at most, whatever happened to the request for it. */
const BOUND_MS = 2_000;
/** For the machine that runs the tests. */
const SLACK_MS = 500;

describe('a reader that follows', () => {
  let dataDir: string;
  let server: NatsHandle;
  let relay: Relay;
  let broker: Broker;
  let stop: AbortController;
  let got: string[];
  let following: Promise<void>;
  let run = 0;
  let subject: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'muster-bus-'));
    server = await startNats({ dataDir, logger: silentLogger });
  });
  afterAll(async () => {
    await server.stop();
    await rm(dataDir, { recursive: true });
  });
  beforeEach(async () => {
    relay = await Relay.to(server.port);
    broker = await connectNats({ servers: [relay.url], name: 'test', logger: silentLogger });
    run += 1;
    subject = `stall.${run}`;
    await broker.streams.ensure([{ name: `STALL_${run}`, subjects: [subject] }]);
    stop = new AbortController();
    got = [];
  });
  afterEach(async () => {
    stop.abort();
    await following;
    await broker.stop();
    relay.stop();
  });

  function follow(batch = 1): void {
    following = (async () => {
      const options = { follow: true, batch, signal: stop.signal };
      for await (const { data } of broker.streams.read(`STALL_${run}`, options)) got.push(untext(data));
    })();
  }

  const append = async (value: string) =>
    expect(await broker.streams.append(subject, text(value))).toMatchObject({ kind: 'appended' });

  /** Appends an entry and returns how long the reader took to bring it. */
  async function delayOf(value: string): Promise<number> {
    const sinceMs = performance.now();
    await append(value);
    await eventually(() => got.at(-1) === value);
    return performance.now() - sinceMs;
  }

  it('notices within two seconds that its request was lost', async () => {
    follow();
    expect(await delayOf('1')).toBeLessThan(SLACK_MS);
    relay.dropNext('CONSUMER.MSG.NEXT');
    // This one is brought by the request that is open; the one after it is lost.
    await delayOf('2');
    await eventually(() => relay.dropped === 1);
    expect(await delayOf('3')).toBeLessThan(BOUND_MS + SLACK_MS);
    expect(await delayOf('4')).toBeLessThan(SLACK_MS);
    expect(got).toEqual(['1', '2', '3', '4']);
  });

  it('notices within two seconds that its first request was lost', async () => {
    relay.dropNext('CONSUMER.MSG.NEXT');
    follow();
    await eventually(() => relay.dropped === 1);
    expect(await delayOf('1')).toBeLessThan(BOUND_MS + SLACK_MS);
  });

  it('goes on at once when the server has deleted its consumer', async () => {
    follow();
    await delayOf('1');
    const [consumer] = await consumersOf(server, `STALL_${run}`);
    await broker.bus.request(`$JS.API.CONSUMER.DELETE.STALL_${run}.${consumer}`, text(''), { timeoutMs: 1_000 });
    expect(await delayOf('2')).toBeLessThan(BOUND_MS);
    expect(got).toEqual(['1', '2']);
  });

  it('goes on after the server hung', async () => {
    follow(10);
    await delayOf('1');
    process.kill(server.pid!, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    process.kill(server.pid!, 'SIGCONT');
    expect(await delayOf('2')).toBeLessThan(BOUND_MS + SLACK_MS);
    expect(got).toEqual(['1', '2']);
    expect(await consumersOf(server, `STALL_${run}`)).toHaveLength(1);
  });

  it('costs the broker little more than one message a second while there is nothing', async () => {
    follow(10);
    await delayOf('1');
    const before = await messagesOut(server);
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    // Pings of the client are no messages.
    expect((await messagesOut(server)) - before).toBeLessThanOrEqual(7);
  });
});

/** Passes a connection on, and can drop one message of the client. */
class Relay {
  dropped = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private drop: string | undefined;

  private constructor(server: Server) {
    this.server = server;
  }

  static async to(port: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (client) => relay.pass(client, port));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  dropNext(part: string): void {
    this.drop = part;
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private pass(client: Socket, port: number): void {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => [client, upstream].forEach((one) => one.destroy()));
    }
    upstream.pipe(client);
    client.on('data', (chunk) => upstream.write(this.without(chunk)));
  }

  /** `PUB <subject> <reply> <bytes>\r\n<body>\r\n`, which small messages never cut into two chunks. */
  private without(chunk: Buffer): Buffer {
    if (this.drop === undefined) return chunk;
    const sent = chunk.toString('latin1');
    const rest = sent.replace(new RegExp(`PUB \\S*${this.drop}\\S* \\S+ \\d+\\r\\n[^\\r]*\\r\\n`), '');
    if (rest === sent) return chunk;
    this.drop = undefined;
    this.dropped += 1;
    return Buffer.from(rest, 'latin1');
  }
}

async function consumersOf(server: NatsHandle, stream: string): Promise<string[]> {
  const response = await fetch(`${server.monitorUrl}/jsz?streams=true&consumers=true`);
  const { account_details: accounts } = (await response.json()) as {
    account_details: { stream_detail: { name: string; consumer_detail?: { name: string }[] }[] }[];
  };
  const found = accounts.flatMap((account) => account.stream_detail).find(({ name }) => name === stream);
  return (found?.consumer_detail ?? []).map(({ name }) => name);
}

async function messagesOut(server: NatsHandle): Promise<number> {
  const response = await fetch(`${server.monitorUrl}/varz`);
  return ((await response.json()) as { out_msgs: number }).out_msgs;
}
