import { useOrgName } from '../session/session.js';
import { shippedQuestions } from '../questions/library.js';
import { useLibrary } from '../questions/org-library.js';
import { Failure } from '../ui/notice.js';
import { draftFrom, type Draft } from './draft.js';
import { Lately, QuestionButton } from './question-list.js';
import styles from './ask-form.module.css';

/** Below an empty form: the questions of the org, and what was asked lately. Without a library, those that come with Muster. */
export function AskStart({ draft, onChoose }: { draft: Draft; onChoose: (draft: Draft) => void }) {
  const library = useLibrary();
  const org = useOrgName();
  const shared = library.data ?? [];
  return (
    <div className={styles['start']}>
      <section aria-label="Asked lately">
        <h2>Asked lately</h2>
        <Lately search="" onChoose={onChoose} />
      </section>
      <section aria-label="Questions to take up">
        <h2>{shared.length > 0 ? `Library of ${org}` : 'Shipped with Muster'}</h2>
        {library.error !== null && <Failure error={library.error} onRetry={() => void library.refetch()} />}
        {shared.map((question) => (
          <QuestionButton
            key={question.name}
            question={question}
            onChoose={({ name, version }) => onChoose({ ...draftFrom(question, draft), saved: { name, version } })}
          />
        ))}
        {library.data !== undefined &&
          shared.length === 0 &&
          shippedQuestions().map((question) => (
            <QuestionButton
              key={question.name}
              question={question}
              onChoose={(one) => onChoose(draftFrom(one, draft))}
            />
          ))}
      </section>
    </div>
  );
}
