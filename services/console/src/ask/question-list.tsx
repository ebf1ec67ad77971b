import type { QueryJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import type { Question } from '../questions/question-text.js';
import { whole } from '../text/numbers.js';
import { VisibleText } from '../ui/visible-text.js';
import { draftOf, type Draft } from './draft.js';
import styles from './ask-form.module.css';

/** Whether a question has what somebody searches for. */
export function matches({ name, description, sql, tags }: Question, search: string): boolean {
  const said = [name, description, sql, ...tags].join(' ').toLowerCase();
  return said.includes(search.trim().toLowerCase());
}

/** A question to take up. */
export function QuestionButton<T extends Question>({
  question,
  note = '',
  onChoose,
}: {
  question: T;
  note?: string;
  onChoose: (question: T) => void;
}) {
  return (
    <button type="button" className={styles['question']} onClick={() => onChoose(question)}>
      <b>
        <VisibleText text={question.name} max={100} />
      </b>{' '}
      <small>
        <VisibleText text={[question.tags.join(', '), note].filter((text) => text !== '').join(' · ')} max={160} />
      </small>
      <div>
        <VisibleText text={question.description} max={300} />
      </div>
    </button>
  );
}

const LATELY = 200;
const SHOWN = 14;

/** What was asked lately, each question once: to take up again, or to look at what it gave. */
export function Lately({ search, onChoose }: { search: string; onChoose: (draft: Draft) => void }) {
  const time = useTime();
  const { data } = useQuery({
    queryKey: ['queries', 'history'],
    queryFn: ({ signal }) => client.call('GET /v1/queries', { query: { limit: LATELY }, signal }),
  });
  const wanted = search.trim().toLowerCase();
  const items = once(data?.items ?? [])
    .filter(({ sql, selector }) => `${sql} ${selector}`.toLowerCase().includes(wanted))
    .slice(0, SHOWN);
  return (
    <div>
      {items.map((query) => (
        <div key={query.id} className={styles['own']}>
          <button type="button" className={styles['question']} onClick={() => onChoose(draftOf(query))}>
            <code>
              <VisibleText text={query.sql.replaceAll(/\s+/g, ' ')} max={160} />
            </code>
            <small>
              {time.full(query.createdAt)} by <VisibleText text={query.operator.name} max={40} /> of{' '}
              <VisibleText text={query.selector === '' ? 'all endpoints' : query.selector} max={60} />
            </small>
          </button>
          <Link className={styles['result'] ?? ''} to="/ask/$queryId" params={{ queryId: query.id }}>
            {whole(query.rows)} rows
          </Link>
        </div>
      ))}
      {data !== undefined && items.length === 0 && <p className={styles['none']}>Nothing that was asked has this.</p>}
    </div>
  );
}

/** The newest of those that ask the same. Scans have no statement. */
export function once(queries: readonly QueryJson[]): readonly QueryJson[] {
  const seen = new Set<string>();
  return queries.filter(({ sql, selector, reduce, parameters, mode, pack }) => {
    const key = JSON.stringify([sql, selector, reduce, parameters, mode]);
    if (pack !== undefined || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
