import { describe, expect, it } from '@jest/globals';
import { encodeBody, encodeFrame, FRAME, type AgentId, type Binding, type CommandId } from '@muster/protocol';
import { commandFrames } from './command-frames.js';

describe('frames of one delivery', () => {
  it.each<[number, number, Binding | null]>([
    [1, 0, null],
    [23, 32, { pid: 4_711, path: '/tmp/abc.exe', start_time: '18446744073709551615', name: null }],
    [70_000, 17 * 32, {}],
  ])('are byte for byte what encoding each of them gives: target %d', (number, proofBytes, binding) => {
    const shared = { id: 'c01h' as CommandId, jws: 'j'.repeat(900), keys: 'k'.repeat(20_000) };
    const proof = new Uint8Array(proofBytes).fill(7);
    const body = encodeBody('command', { ...shared, number, proof, binding });
    const frameFor = commandFrames(shared);
    frameFor([9, 'other' as AgentId, new Uint8Array(64), null]);
    const frame = frameFor([number, 'agent' as AgentId, proof, binding]);
    expect(Buffer.from(frame)).toEqual(Buffer.from(encodeFrame(FRAME.command, 0, body)));
  });
});
