import { operations } from '@muster/api-contract';
import { ERROR_CODES, type ErrorCode } from '@muster/protocol';
import { implement, type Operation, type StreamAnswer } from './operation.js';

/** The pages that `type` of problem documents names, from the table of codes. */
export function problemPageOperation(): Operation {
  return implement(operations.showProblem, ({ params }) => pageOf(params.code));
}

function pageOf(code: ErrorCode): StreamAnswer {
  const text = render(code);
  return {
    kind: 'stream',
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'public, max-age=3600' },
    write: (response) => new Promise((resolve) => response.end(text, () => resolve())),
  };
}

/** Titles are ours, and hold no markup. */
function render(code: ErrorCode): string {
  const { status, retryable, title } = ERROR_CODES[code];
  const again = retryable
    ? 'The same call may succeed later. Wait as long as <code>Retry-After</code> says, where it is there.'
    : 'The same call fails again. Change it first.';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${code} - Muster</title>
<h1>${title}</h1>
<p>Code <code>${code}</code>, HTTP status ${status}.</p>
<p>${again}</p>
<p><code>detail</code> of the answer says what is wrong in this case, <code>requestId</code> finds it in the server's log.
What to do about each is in <code>docs/failure-modes.md</code>.</p>
</html>
`;
}
