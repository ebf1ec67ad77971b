import { ERROR_CODES, type ErrorCode } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { defineOperations } from './operation.js';

const codes = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]];

export const problemOperations = defineOperations('problems', {
  showProblem: {
    method: 'get',
    path: '/problems/{code}',
    action: 'problem.show',
    summary: 'What a problem means: the page that `type` of a problem document names',
    access: 'public',
    params: z.object({ code: z.enum(codes).meta({ description: '`code` of the problem document.' }) }),
    answers: { 200: { description: 'A page for people.', content: { 'text/html': undefined } } },
    problems: [],
  },
});
