import { describe, expect, test } from '@jest/globals';
import { AppError, newQueryId, type OrgId } from '@muster/protocol';
import { QueryAdmission } from './query-admission.js';

const query = (operator: string, org = 'acme') => ({ id: newQueryId(0), org: org as OrgId, operator });
const codeOf = (run: () => unknown): unknown => {
  try {
    run();
    return 'admitted';
  } catch (error) {
    return AppError.is(error) ? error.details['scope'] : error;
  }
};

describe('query admission', () => {
  test('counts what runs anywhere and what is starting here, each query once', () => {
    const running = [query('ann')];
    const admission = new QueryAdmission({ perOperator: 2, perOrg: 3 }, () => running);
    const starting = query('ann');
    const release = admission.enter(starting);
    expect(codeOf(() => admission.enter(query('ann')))).toBe('operator');
    // It is among the running ones before its slot is released.
    running.push(starting);
    expect(codeOf(() => admission.enter(query('bob')))).toBe('admitted');
    expect(codeOf(() => admission.enter(query('cat')))).toBe('org');
    release();
    expect(codeOf(() => admission.enter(query('ann')))).toBe('operator');
  });

  test('one org does not use up what another may run', () => {
    const admission = new QueryAdmission({ perOperator: 1, perOrg: 1 }, () => [query('ann', 'acme')]);
    expect(codeOf(() => admission.enter(query('ann', 'other')))).toBe('admitted');
  });
});
