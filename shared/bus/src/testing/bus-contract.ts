import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Broker } from '../broker.js';
import { eventually } from '@muster/runtime/testing';
import { text, untext, type BrokerFixture } from './broker-fixture.js';
import type { Bus } from '../bus.js';

/** Registers the tests of everything a `Bus` promises. Call it in a test file of each implementation. */
export function busContract(title: string, makeFixture: () => Promise<BrokerFixture>): void {
  describe(`${title} keeps the bus contract:`, () => {
    let fixture: BrokerFixture;
    let brokers: Broker[] = [];
    let one: Bus;
    let two: Bus;
    let run = 0;
    /** A subject of this test alone. */
    let topic: string;

    beforeAll(async () => {
      fixture = await makeFixture();
    });
    afterAll(() => fixture.stop());
    beforeEach(async () => {
      brokers = [await fixture.connect(), await fixture.connect()];
      [one, two] = brokers.map((broker) => broker.bus) as [Bus, Bus];
      topic = `contract.${++run}`;
    });
    afterEach(async () => {
      for (const broker of brokers) await broker.stop();
    });

    /** Subscribes, and returns what arrives. */
    async function collect(bus: Bus, subject: string, queue?: string): Promise<string[]> {
      const got: string[] = [];
      const options = queue === undefined ? {} : { queue };
      bus.subscribe(subject, ({ data }) => got.push(untext(data)), options);
      expect(await bus.flush()).toBe(true);
      return got;
    }

    it('a message reaches every subscriber, with its bytes as they were', async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
      const received: Uint8Array[] = [];
      one.subscribe(topic, ({ data }) => received.push(data.slice()));
      two.subscribe(topic, ({ data }) => received.push(data.slice()));
      await Promise.all([one.flush(), two.flush()]);
      expect(one.publish(topic, bytes)).toBe('sent');
      await eventually(() => received.length === 2);
      for (const data of received) expect(Buffer.from(data).equals(bytes)).toBe(true);
    });

    it('messages of one publisher arrive in order', async () => {
      const got = await collect(two, topic);
      const sent = Array.from({ length: 2_000 }, (_, index) => String(index));
      for (const value of sent) one.publish(topic, text(value));
      await eventually(() => got.length === sent.length);
      expect(got).toEqual(sent);
    });

    it('a buffer may be used again in the next turn of the event loop', async () => {
      const got = await collect(two, topic);
      const buffer = Buffer.from('first');
      one.publish(topic, buffer);
      await new Promise((resolve) => setImmediate(resolve));
      buffer.write('other');
      one.publish(topic, buffer);
      await eventually(() => got.length === 2);
      expect(got).toEqual(['first', 'other']);
    });

    it('wildcards match one token, or the rest', async () => {
      const star = await collect(two, `${topic}.*.end`);
      const rest = await collect(two, `${topic}.>`);
      for (const tail of ['a.end', 'a.b.end', 'a']) one.publish(`${topic}.${tail}`, text(tail));
      await eventually(() => rest.length === 3);
      expect(star).toEqual(['a.end']);
    });

    it('a queue group gets each message once', async () => {
      const groups = [await collect(one, topic, 'workers'), await collect(two, topic, 'workers')];
      const everything = await collect(two, topic);
      for (let i = 0; i < 200; i++) one.publish(topic, text(String(i)));
      await eventually(() => everything.length === 200 && groups.flat().length === 200);
      expect(new Set(groups.flat()).size).toBe(200);
      for (const group of groups) expect(group.length).toBeGreaterThan(0);
    });

    it('no handler call comes after unsubscribe', async () => {
      const got: string[] = [];
      const subscription = two.subscribe(topic, ({ data }) => {
        got.push(untext(data));
        subscription.unsubscribe();
      });
      const everything = await collect(two, topic);
      one.publish(topic, text('1'));
      one.publish(topic, text('2'));
      await eventually(() => everything.length === 2);
      expect(got).toEqual(['1']);
      subscription.unsubscribe();
    });

    it('a handler that throws disturbs nobody and is counted', async () => {
      two.subscribe(topic, () => {
        throw new Error('on purpose');
      });
      const got = await collect(two, topic);
      one.publish(topic, text('1'));
      one.publish(topic, text('2'));
      await eventually(() => got.length === 2);
      expect(two.stats().handlerErrors).toBe(2);
    });

    it('a request gets the reply', async () => {
      two.subscribe(topic, ({ data, reply }) => reply?.(text(`re: ${untext(data)}`)));
      await two.flush();
      const result = await one.request(topic, text('hello'), { timeoutMs: 5_000 });
      expect(result.kind === 'reply' && untext(result.data)).toBe('re: hello');
    });

    it('a plain message offers no reply', async () => {
      const offers: boolean[] = [];
      two.subscribe(topic, ({ reply }) => offers.push(reply !== undefined));
      await two.flush();
      one.publish(topic, text('hello'));
      await eventually(() => offers.length === 1);
      expect(offers).toEqual([false]);
    });

    it('a request that nobody hears says so at once', async () => {
      const started = Date.now();
      const result = await one.request(topic, text('hello'), { timeoutMs: 20_000 });
      expect(result).toEqual({ kind: 'no_responders' });
      expect(Date.now() - started).toBeLessThan(5_000);
    });

    it('a request that is heard and not answered runs into its time', async () => {
      await collect(two, topic);
      expect(await one.request(topic, text('hello'), { timeoutMs: 50 })).toEqual({ kind: 'timeout' });
    });

    it('a message that is too large is refused as the bug it is', () => {
      expect(() => one.publish(topic, new Uint8Array(one.maxPayloadBytes + 1))).toThrow(RangeError);
    });

    it('a stopped bus drops, and answers requests at once', async () => {
      await brokers[0]?.stop();
      expect(one.publish(topic, text('late'))).toBe('dropped');
      expect(await one.request(topic, text('late'), { timeoutMs: 20_000 })).toEqual({ kind: 'disconnected' });
      expect(await one.flush()).toBe(false);
      expect(one.connected).toBe(false);
    });

    it('stop lets the broker take what was published', async () => {
      const got = await collect(two, topic);
      for (let i = 0; i < 500; i++) one.publish(topic, text(String(i)));
      await brokers[0]?.stop();
      await eventually(() => got.length === 500);
    });

    it('an outage is told, drops are counted, requests end, and subscriptions live on', async () => {
      const changes: boolean[] = [];
      one.onConnectionChange((connected) => changes.push(connected));
      const got = await collect(two, topic);
      await collect(two, `${topic}.silent`);
      const waiting = one.request(`${topic}.silent`, text('hello'), { timeoutMs: 20_000 });
      await fixture.interrupt();
      expect(await waiting).toEqual({ kind: 'disconnected', mayHaveArrived: true });
      await eventually(() => !one.connected && !two.connected);
      expect(one.publish(topic, text('lost'))).toBe('dropped');
      expect(one.stats().dropped).toBe(1);
      await fixture.restore();
      await eventually(() => one.connected && two.connected);
      expect(await two.flush()).toBe(true);
      expect(one.publish(topic, text('after'))).toBe('sent');
      await eventually(() => got.length === 1);
      expect(got).toEqual(['after']);
      expect(changes).toEqual([false, true]);
      expect(one.stats().reconnects).toBe(1);
    });
  });
}
