import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { encodeCbor } from './cbor.js';
import type { AgentId } from './ids.js';
import { TargetTree, verifyTarget, type TargetLeaf } from './merkle.js';

const leaves = (count: number): TargetLeaf[] =>
  Array.from({ length: count }, (_, i) => ({
    number: i + 1,
    agentId: `agent${i}` as AgentId,
    ...(i % 3 === 0 ? { binding: { pid: i, path: `/bin/${i}` } } : {}),
  }));

const sha = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** MTH(D[n]) word for word as RFC 9162 §2.1.1 defines it. */
function rfcRoot(list: readonly TargetLeaf[]): Buffer {
  const [only] = list;
  if (list.length === 1 && only !== undefined) {
    return sha(Buffer.of(0), encodeCbor([only.number, only.agentId, only.binding ?? null]));
  }
  let k = 1;
  while (k * 2 < list.length) k *= 2;
  return sha(Buffer.of(1), rfcRoot(list.slice(0, k)), rfcRoot(list.slice(k)));
}

describe('a target tree', () => {
  test('has the root of RFC 9162, and a proof for every leaf, at every size', () => {
    for (let size = 1; size <= 70; size += 1) {
      const list = leaves(size);
      const tree = TargetTree.over(list);
      expect(Buffer.from(tree.root).toString('hex')).toBe(rfcRoot(list).toString('hex'));
      for (const leaf of list) expect(verifyTarget(leaf, tree, tree.proof(leaf.number))).toBe(true);
    }
  });

  test('proves nothing else: another agent, number, binding, size, or a changed, cut or longer proof', () => {
    for (const size of [1, 2, 3, 7, 8, 33]) {
      const list = leaves(size);
      const tree = TargetTree.over(list);
      for (const leaf of list) {
        const proof = tree.proof(leaf.number);
        const other = { ...leaf, agentId: 'stranger' as AgentId };
        expect(verifyTarget(other, tree, proof)).toBe(false);
        expect(verifyTarget({ ...leaf, binding: { pid: -1 } }, tree, proof)).toBe(false);
        for (const number of [0, -1, leaf.number + 1, size + 1, 1.5, Number.NaN]) {
          expect(verifyTarget({ ...leaf, number }, tree, proof)).toBe(false);
        }
        expect(verifyTarget(leaf, tree, Buffer.concat([proof, Buffer.alloc(32)]))).toBe(false);
        expect(verifyTarget(leaf, tree, Buffer.concat([proof, Buffer.alloc(1)]))).toBe(false);
        if (proof.length === 0) continue;
        expect(verifyTarget(leaf, tree, proof.subarray(32))).toBe(false);
        const changed = Buffer.from(proof);
        changed[0] = (changed[0] ?? 0) ^ 1;
        expect(verifyTarget(leaf, tree, changed)).toBe(false);
      }
    }
  });

  test('does not exist without targets', () => {
    expect(() => TargetTree.over([])).toThrow(RangeError);
  });
});
