import { expect, test } from '@jest/globals';
import { parseQueryParams } from './query-params.js';

test('a parameter without a type is an integer where it is written as one, and text otherwise', () => {
  const words = ['port=22', 'neg=-4', 'version=1.10', 'zip=007', 'empty=', 'eq=a=b', "quote=' OR 1=1 --"];
  expect(parseQueryParams(words)).toEqual({
    ...{ port: 22, neg: -4, version: '1.10', zip: '007', empty: '', eq: 'a=b', quote: "' OR 1=1 --" },
  });
  expect(parseQueryParams(['big=900719925474099300'])).toEqual({ big: { $integer: '900719925474099300' } });
});

test('a type is said with the name, or known from the question', () => {
  const words = [
    'a:text=22',
    'b:number=22',
    'c:boolean=true',
    'd:blob=00ff',
    'e:null=',
    'f:list=22,sshd',
    'g:list=[1,"x"]',
  ];
  expect(parseQueryParams(words)).toEqual({
    ...{ a: '22', b: { $number: 22 }, c: true, d: { $blob: 'AP8=' }, e: null, f: [22, 'sshd'], g: [1, 'x'] },
  });
  expect(parseQueryParams(['a=22'], { a: 'text' })).toEqual({ a: '22' });
});

test.each([
  ['port', 'NAME=VALUE'],
  ['1a=x', 'NAME=VALUE'],
  ['__proto__=x', 'NAME=VALUE'],
  ['a:float=1', 'the types are text, integer'],
  ['a:integer=1.5', 'must be an integer of 64 bits, not "1.5"'],
  ['a:number=x', 'must be a number'],
  ['a:boolean=1', 'true or false'],
  ['a:blob=abc', 'pairs'],
  ['a:list=[1,[2]]', 'a JSON array of plain values'],
])('--param %s is a fault', (word, message) => {
  expect(() => parseQueryParams([word])).toThrow(message);
});

test('a parameter given twice is a fault', () => {
  expect(() => parseQueryParams(['a=1', 'a=2'])).toThrow('--param a is given twice');
});
