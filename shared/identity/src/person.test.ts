import { describe, expect, test } from '@jest/globals';
import { BOOTSTRAP, maySamePerson, subjectPerson, tokenPerson, UNKNOWN_ORIGIN, type Standing } from './person.js';

const ann = subjectPerson('https://id.example', 'u-1');
const annElsewhere = subjectPerson('https://other.example', 'u-1');
const itself = (person: string): Standing => ({ person, origin: person });
const byBootstrap = (id: string): Standing => ({ person: tokenPerson(id), origin: BOOTSTRAP });
const ofUnknown = (id: string): Standing => ({ person: tokenPerson(id), origin: UNKNOWN_ORIGIN });

const loose = { independent: false };
const strict = { independent: true };

describe('one person', () => {
  test.each<[string, Partial<Standing>, Partial<Standing>, boolean, boolean]>([
    ['has two credentials', byBootstrap('a'), byBootstrap('a'), true, true],
    ['is the bootstrap token, and what it made', itself(BOOTSTRAP), byBootstrap('a'), true, true],
    ['may have made two tokens with the bootstrap token', byBootstrap('a'), byBootstrap('b'), false, true],
    ['is a subject of the identity provider', itself(ann), itself(ann), true, true],
    ['is not a subject of another issuer', itself(ann), itself(annElsewhere), false, false],
    ['may be one whose issuer was not kept', itself(ann), itself(subjectPerson('', 'u-1')), true, true],
    ['is not another subject', itself(ann), itself(subjectPerson('', 'u-2')), false, false],
    ['is not a token of somebody else', itself(ann), byBootstrap('a'), false, false],
    [
      'is not a token with the name of a subject',
      itself(subjectPerson('x', 'a')),
      itself(tokenPerson('a')),
      false,
      false,
    ],
    ['is not known to be another, when a line of makers is broken', ofUnknown('a'), byBootstrap('b'), false, true],
    ['is not known at all', {}, byBootstrap('b'), false, true],
  ])('%s', (_name, one, other, usually, independent) => {
    for (const [a, b] of [
      [one, other],
      [other, one],
    ] as const) {
      expect(maySamePerson(a, b, loose)).toBe(usually);
      expect(maySamePerson(a, b, strict)).toBe(independent);
    }
  });
});
