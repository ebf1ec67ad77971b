import type {
  ConnectionEnd,
  ConnectionEvents,
  ConnectRequest,
  SessionConnection,
} from '@muster/agent/session-connection';
import type { Connection, SendResult } from '@muster/gateway/connection';
import { CLOSE, decodeBody, decodeHeader, encodeBody, encodeFrame, FRAME, frameBody } from '@muster/protocol';

/** What is under way on a connection: its name tells all that matters of it. */
interface Sent {
  readonly name: string;
  readonly arrive: () => void;
}

/** What a gateway does with a connection. */
export interface Listener {
  received(connection: Connection, data: Uint8Array): void;
  closed(connection: Connection, code: number): void;
}

const NAMES = new Map<number, string>(Object.entries(FRAME).map(([name, type]) => [type, name]));

/** One connection between an endpoint and a gateway: in order, and slow as long as the search wants. */
export class Wire {
  readonly order: number;
  readonly toGateway: Sent[] = [];
  readonly toEndpoint: Sent[] = [];
  /** Its gateway, by number, once it was let in. */
  gateway: number | undefined;
  readonly endpointSide: SessionConnection;
  readonly gatewaySide: Connection;
  readonly #request: ConnectRequest;
  readonly #events: ConnectionEvents;
  #listener: Listener | undefined;
  #state: SessionConnection['state'] = 'connecting';
  #isGatewayOpen = false;
  #isCut = false;
  /** The endpoint has said that it goes. */
  #isLeft = false;

  constructor(order: number, request: ConnectRequest, events: ConnectionEvents) {
    this.order = order;
    this.#request = request;
    this.#events = events;
    const state = (): SessionConnection['state'] => this.#state;
    this.endpointSide = {
      ...{ mode: 'live', serverTimeMs: 0, rttMs: undefined, ends: [] },
      get state() {
        return state();
      },
      send: () => 'sent',
      pollEvery: () => undefined,
      close: () => this.#leave(),
    };
    this.gatewaySide = {
      address: '192.0.2.1',
      send: (frame) => this.#send(frame),
      ping: () => undefined,
      close: (code) => this.#close(code),
      cork: (run) => run(),
    };
  }

  get isDialing(): boolean {
    return this.gateway === undefined && this.#state === 'connecting' && this.toEndpoint.length === 0;
  }

  /** Both ends know that it has ended. */
  get isOver(): boolean {
    return this.#state === 'closed' && !this.#isGatewayOpen && this.toGateway.length === 0;
  }

  /** Nothing that ends it has happened, at either end or between. */
  get isWhole(): boolean {
    return this.#isGatewayOpen && !this.#isCut && !this.#isLeft && this.#state !== 'closed';
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  get text(): string {
    const names = (sent: readonly Sent[]): string => sent.map(({ name }) => name).join(',');
    const ends = [this.#state, this.#isGatewayOpen ? 'open' : '', this.#isCut ? 'cut' : '', this.#isLeft ? 'left' : ''];
    return `${ends.join('/')}>${names(this.toGateway)}<${names(this.toEndpoint)}`;
  }

  accept(gateway: number, listener: Listener): void {
    this.gateway = gateway;
    this.#listener = listener;
    this.#isGatewayOpen = true;
  }

  /** The request to connect is answered with no. */
  refuse(end: ConnectionEnd): void {
    this.toEndpoint.push({ name: end.kind, arrive: () => this.#end(end) });
  }

  /** The network between them breaks; each end is told at some time. What was under way is lost. */
  cut(): void {
    this.#isCut = true;
    this.toGateway.length = 0;
    this.toEndpoint.length = 0;
    if (this.#isGatewayOpen) this.toGateway.push({ name: 'lost', arrive: () => this.#gatewayLost(1006) });
    this.toEndpoint.push({ name: 'lost', arrive: () => this.#end({ kind: 'closed', code: 1006, reason: '' }) });
  }

  /** It is not ready in time: the endpoint ends it, and its gateway is told later. */
  giveUp(): void {
    this.#isCut = true;
    this.toGateway.length = 0;
    this.toGateway.push({ name: 'lost', arrive: () => this.#gatewayLost(1006) });
    this.#end({ kind: 'abandoned', why: 'no answer in time' });
  }

  #send(frame: Uint8Array): SendResult {
    if (!this.#isGatewayOpen || this.#isCut) return 'closed';
    const copy = new Uint8Array(frame);
    const type = decodeHeader(copy)?.type ?? 0;
    const epoch = type === FRAME.welcome ? epochOf(copy) : undefined;
    // What an endpoint does not look at is as good as not sent.
    if (type === FRAME.error) return 'sent';
    const name = `${NAMES.get(type) ?? type}${epoch === undefined ? '' : ` @${epoch}@`}`;
    this.toEndpoint.push({ name, arrive: () => this.#received(copy) });
    return 'sent';
  }

  #close(code: number): void {
    if (!this.#isGatewayOpen) return;
    this.#isGatewayOpen = false;
    this.toGateway.length = 0;
    if (!this.#isCut)
      this.toEndpoint.push({ name: `close ${code}`, arrive: () => this.#end({ kind: 'closed', code, reason: '' }) });
  }

  #gatewayLost(code: number): void {
    if (!this.#isGatewayOpen) return;
    this.#isGatewayOpen = false;
    this.#listener?.closed(this.gatewaySide, code);
  }

  #leave(): void {
    if (this.#state === 'closed' || this.#isLeft) return;
    this.#isLeft = true;
    if (this.#isCut) return;
    if (!this.#isGatewayOpen) {
      // It was not let in yet: nobody is told.
      if (this.toEndpoint.length === 0)
        this.toEndpoint.push({ name: 'gone', arrive: () => this.#end({ kind: 'closed', code: 1000, reason: '' }) });
      return;
    }
    const arrive = (): void => {
      this.#gatewayLost(CLOSE.normal.code);
      this.toEndpoint.push({ name: 'bye', arrive: () => this.#end({ kind: 'closed', code: 1000, reason: '' }) });
    };
    this.toGateway.push({ name: 'close', arrive });
  }

  #end(end: ConnectionEnd): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.toEndpoint.length = 0;
    this.#events.onEnd(end);
  }

  #received(frame: Uint8Array): void {
    if (this.#isLeft) return;
    const type = decodeHeader(frame)?.type;
    const body = frameBody(frame);
    if (type === FRAME.challenge) {
      const challenge = decodeBody('challenge', body);
      if (!challenge.ok) throw new Error(challenge.fault);
      this.#state = 'helloSent';
      const hello = encodeFrame(FRAME.hello, 0, encodeBody('hello', this.#request.hello(challenge.body)));
      this.toGateway.push({ name: 'hello', arrive: () => this.#listener?.received(this.gatewaySide, hello) });
    }
    if (type === FRAME.welcome) {
      const welcome = decodeBody('welcome', body);
      if (!welcome.ok) throw new Error(welcome.fault);
      this.#state = 'ready';
      this.#events.onReady(welcome.body);
    }
    if (type === FRAME.reconnect) {
      const reconnect = decodeBody('reconnect', body);
      if (!reconnect.ok) throw new Error(reconnect.fault);
      this.#events.onFrame({ kind: 'reconnect', ref: 0, body: reconnect.body });
    }
  }
}

function epochOf(frame: Uint8Array): number {
  const welcome = decodeBody('welcome', frameBody(frame));
  if (!welcome.ok) throw new Error(welcome.fault);
  return welcome.body.epoch;
}
