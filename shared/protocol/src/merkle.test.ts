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

describe('a leaf', () => {
  test('is not proven against a smaller count of targets, although the path would lead to the root', () => {
    const list = leaves(4);
    const { root } = TargetTree.over(list);
    const last = list[3]!;
    const proof = TargetTree.over(list).proof(4);
    expect(verifyTarget(last, { root, size: 4 }, proof)).toBe(true);
    expect(verifyTarget(last, { root, size: 3 }, proof)).toBe(false);
  });

  test.each([0, -1, 1.5, Number.NaN])('with the number %d is none, also where the root covers it', (number) => {
    const [first, second] = leaves(2);
    const strange = { ...first!, number };
    const tree = TargetTree.over([strange, second!]);
    expect(verifyTarget(strange, tree, tree.proof(1))).toBe(false);
  });
});

describe('a large tree', () => {
  test('is the same whether it is built at once or in slices, and then others run meanwhile', async () => {
    const list = leaves(5_001);
    const whole = TargetTree.over(list);
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const sliced = await TargetTree.overInSlices(list);
    isDone = true;
    expect(Buffer.from(sliced.root).toString('hex')).toBe(Buffer.from(whole.root).toString('hex'));
    expect([sliced.size, whole.size]).toEqual([5_001, 5_001]);
    // About 10,000 hashes in slices of 1,000.
    expect(turns).toBeGreaterThanOrEqual(8);
    expect(turns).toBeLessThanOrEqual(14);
  });
});

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
