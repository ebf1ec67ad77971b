import { expect, test } from '@jest/globals';
import { decodeServiceMessage } from '@muster/messages';
import { silentLogger } from '@muster/runtime';
import { sendReply } from './send-reply.js';

type Reply = Parameters<typeof sendReply>[1];
const MAX_BYTES = 1_000;

function answer(reply: Reply) {
  const sent: Uint8Array[] = [];
  const publish = (data: Uint8Array) => {
    if (data.length > MAX_BYTES) throw new RangeError('too large');
    sent.push(data);
    return 'sent' as const;
  };
  const terms = { bus: { maxPayloadBytes: MAX_BYTES }, service: 'posture', kind: 'list', logger: silentLogger };
  const returned = sendReply({ reply: publish }, reply, terms);
  return { returned, sent: sent.map((data) => decodeServiceMessage(data)) };
}

const problem = (message: string, details = {}) => ({
  t: 'problem' as const,
  code: 'not_found' as const,
  message,
  details,
});

test('a reply that fits is sent as it is', () => {
  const reply = problem('no');
  expect(answer(reply)).toEqual({ returned: reply, sent: [reply] });
});

test('one that is larger than the broker takes, or cannot be encoded, is a problem that the asker gets', () => {
  const large = answer({ t: 'scans', scans: [{ title: 'x'.repeat(MAX_BYTES) }] } as never);
  expect(large.sent).toEqual([expect.objectContaining({ t: 'problem', code: 'too_large' })]);
  expect(large.returned).toEqual(large.sent[0]);
  expect(answer(problem('x'.repeat(MAX_BYTES))).sent).toMatchObject([{ code: 'too_large' }]);
  expect(answer({ t: 'scans', scans: [() => 1] } as never).sent).toMatchObject([{ code: 'internal' }]);
});
