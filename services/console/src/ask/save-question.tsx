import { useState } from 'react';
import { useLibrary, useLibraryChanges } from '../questions/org-library.js';
import { questionBody } from '../questions/shared-question.js';
import type { Question } from '../questions/question-text.js';
import { useCan } from '../session/session.js';
import { Button, TextField } from '../ui/controls.js';
import { Failure, Notice } from '../ui/notice.js';
import { questionOf, type Draft } from './draft.js';
import styles from './ask-form.module.css';

const NAME = /^[a-z0-9][a-z0-9-]{0,99}$/;

/** Saves what the form says: for the whole org, or in this browser. A question that a colleague changed meanwhile is not replaced. */
export function SaveQuestion({
  draft,
  onKeep,
  onSaved,
}: {
  draft: Draft;
  onKeep: (question: Question) => void;
  onSaved: (saved: NonNullable<Draft['saved']>) => void;
}) {
  const library = useLibrary();
  const known = library.data?.find(({ name: one }) => one === draft.saved?.name);
  const [name, setName] = useState(draft.saved?.name ?? '');
  const [description, setDescription] = useState(known?.description ?? '');
  const [tags, setTags] = useState(known?.tags.join(', ') ?? '');
  const { save } = useLibraryChanges();
  const can = useCan();
  const there = library.data?.find(({ name: one }) => one === name);
  const question = questionOf(draft, name, description, words(tags));
  const isName = NAME.test(name);
  const toLibrary = (): void => {
    const version = draft.saved?.name === name ? draft.saved.version : (there?.version ?? 0);
    save.mutate(
      { name, body: questionBody(question, version) },
      { onSuccess: ({ version: now }) => onSaved({ name, version: now }) },
    );
  };
  return (
    <section aria-label="Save this question" className={styles['save']}>
      <TextField
        label="Save what the form says as"
        value={name}
        onChange={setName}
        placeholder="my-question"
        fault={name === '' || isName ? undefined : 'Small letters, digits and "-".'}
      />
      <TextField label="What it answers" value={description} onChange={setDescription} />
      <TextField label="Tags" value={tags} onChange={setTags} placeholder="network, triage" />
      <div className={styles['saves']}>
        {can('questions:write') && (
          <Button isDisabled={!isName || save.isPending || library.data === undefined} onPress={toLibrary}>
            {there === undefined ? 'Save in the library' : 'Replace in the library'}
          </Button>
        )}
        <Button look="quiet" isDisabled={!isName} onPress={() => onKeep(question)}>
          Only in this browser
        </Button>
      </div>
      {save.error !== null && <Failure error={save.error} />}
      {save.data !== undefined && (
        <Notice>
          {save.data.name} is in the library, version {save.data.version}.
        </Notice>
      )}
    </section>
  );
}

function words(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}
