import { expect, test } from '@jest/globals';
import { ACTIONS } from '../testing/fake-api.js';
import { paramsText, parseParamWords } from './params.js';

const parse = (name: string, ...words: string[]) =>
  parseParamWords(
    ACTIONS.find((action) => action.name === name)!,
    words,
  );

test('typed values are read as the types of the schema', () => {
  expect(parse('process.kill', 'pid=17', 'signal=TERM')).toEqual({ pid: 17, signal: 'TERM' });
  expect(parse('process.kill', 'name=17')).toEqual({ name: '17' });
  expect(parse('process.kill', 'name=a=b c')).toEqual({ name: 'a=b c' });
  expect(parse('package.remove', 'name=x', 'purge=true')).toEqual({ name: 'x', purge: true });
  expect(parse('host.isolate', 'allow=10.0.0.1,10.0.0.2', 'allow=::1', 'releaseAfter=15m')).toEqual({
    allow: ['10.0.0.1', '10.0.0.2', '::1'],
    releaseAfter: '15m',
  });
  expect(parse('host.isolate', 'releaseAfter=60000')).toEqual({ releaseAfter: 60_000 });
  expect(parse('agent.set_labels', 'set=env=prod,tier=web', 'set=site=zrh', 'remove=old')).toEqual({
    set: { env: 'prod', tier: 'web', site: 'zrh' },
    remove: ['old'],
  });
});

test('every fault is named at once, and what was probably meant', () => {
  expect(() => parse('process.kill', 'nmae=x', 'pid=one', 'signal=HUP', 'path', 'name=a', 'name=b')).toThrow(
    'process.kill has no parameter "nmae"; did you mean name?; pid is a whole number, not "one"; ' +
      'signal is one of TERM, KILL, not "HUP"; "path" is not key=value; "name" is there twice',
  );
  expect(() => parse('package.remove', 'purge=yes')).toThrow('purge is one of true, false, not "yes"');
  expect(() => parse('agent.set_labels', 'set=env')).toThrow('set is a list of name=value, not "env"');
  expect(() => parse('process.kill', '__proto__=x')).toThrow('no parameter "__proto__"');
});

test('parameters are shown as they could have been typed', () => {
  const params = { name: "it's", path: '', allow: ['a', 'b'], set: { env: 'prod' }, pid: 17 };
  expect(paramsText(params)).toBe(`name='it'\\''s' path='' allow=a,b set=env=prod pid=17`);
});
