import { useState } from 'react';
import { useTime } from '../preferences/time.js';
import { forgetQuestion, ownQuestions, saveQuestion, shippedQuestions } from '../questions/library.js';
import { useLibrary, useLibraryChanges } from '../questions/org-library.js';
import type { SharedQuestion } from '../questions/shared-question.js';
import type { Question } from '../questions/question-text.js';
import { useCan, useOrgName } from '../session/session.js';
import { Button, TextField } from '../ui/controls.js';
import { Failure } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { draftFrom, type Draft } from './draft.js';
import { Lately, matches, QuestionButton } from './question-list.js';
import { SaveQuestion } from './save-question.js';
import styles from './ask-form.module.css';

interface QuestionsPanelProps {
  readonly draft: Draft;
  readonly onChoose: (draft: Draft) => void;
  /** The form is now a question of the library. */
  readonly onSaved: (saved: NonNullable<Draft['saved']>) => void;
  readonly onClose: () => void;
}

/**
 * Questions to take up: the org's library, own ones of this browser, what was asked lately, those that come with
 * Muster; and to save one.
 */
export function QuestionsPanel({ draft, onChoose, onSaved, onClose }: QuestionsPanelProps) {
  const [search, setSearch] = useState('');
  const [own, setOwn] = useState(ownQuestions);
  const shown = (question: Question): boolean => matches(question, search);
  const choose = (question: Question): void => onChoose(draftFrom(question, draft));
  const mine = own.filter(shown);
  return (
    <Panel kind="dialog" isWide title="Questions" onClose={onClose}>
      <TextField label="Search" value={search} onChange={setSearch} autoFocus />
      <SaveQuestion draft={draft} onKeep={(question) => setOwn(saveQuestion(question))} onSaved={onSaved} />
      <Library draft={draft} search={search} onChoose={onChoose} />
      {mine.length > 0 && <h3>Yours, in this browser</h3>}
      {mine.map((question) => (
        <div key={question.name} className={styles['own']}>
          <QuestionButton question={question} onChoose={choose} />
          <Button
            look="quiet"
            small
            aria-label={`Forget ${question.name}`}
            onPress={() => setOwn(forgetQuestion(question.name))}
          >
            ✕
          </Button>
        </div>
      ))}
      <h3>Asked lately</h3>
      <Lately search={search} onChoose={onChoose} />
      <h3>Shipped with Muster</h3>
      <div>
        {shippedQuestions()
          .filter(shown)
          .map((question) => (
            <QuestionButton key={question.name} question={question} onChoose={choose} />
          ))}
      </div>
    </Panel>
  );
}

/** The org's questions; who may change them may remove them. The server knows whose they are. */
function Library({ draft, search, onChoose }: { draft: Draft; search: string; onChoose: (draft: Draft) => void }) {
  const library = useLibrary();
  const { remove } = useLibraryChanges();
  const can = useCan();
  const org = useOrgName();
  const time = useTime();
  const shared = (library.data ?? []).filter((question) => matches(question, search));
  const choose = (question: SharedQuestion): void => {
    const { name, version } = question;
    onChoose({ ...draftFrom(question, draft), saved: { name, version } });
  };
  return (
    <>
      {library.error !== null && <Failure error={library.error} onRetry={() => void library.refetch()} />}
      {remove.error !== null && <Failure error={remove.error} />}
      {shared.length > 0 && <h3>Library of {org}</h3>}
      <div>
        {shared.map((question) => (
          <div key={question.name} className={styles['own']}>
            <QuestionButton
              question={question}
              note={`by ${question.changedBy}, ${time.full(question.changedAt)}`}
              onChoose={choose}
            />
            {can('questions:write') && (
              <Button
                look="quiet"
                small
                aria-label={`Delete ${question.name} from the library`}
                isDisabled={remove.isPending}
                onPress={() => remove.mutate(question)}
              >
                ✕
              </Button>
            )}
          </div>
        ))}
      </div>
    </>
  );
}
