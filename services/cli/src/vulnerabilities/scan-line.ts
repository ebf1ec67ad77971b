import type { VulnerabilityScanJson } from '@muster/api-contract';
import { escapeControls } from '../terminal/escape.js';
import { shortTime } from '../terminal/time-text.js';

/** Which scan this is of: what it did not see is not safe. */
export function scanLine({ id, scope, state, createdAt }: VulnerabilityScanJson): string {
  return `${id}, ${scope === '' ? 'all endpoints' : escapeControls(scope)}, ${state}, ${shortTime(createdAt)}`;
}
