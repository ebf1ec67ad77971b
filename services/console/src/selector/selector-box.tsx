import { parseSelector } from '@muster/protocol/selector';
import { useQuery } from '@tanstack/react-query';
import { useId, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import { client } from '../api/client.js';
import { VisibleText } from '../ui/visible-text.js';
import { completeSelector, takeSuggestion, type Suggestion } from './complete-selector.js';
import styles from './selector-box.module.css';

/** Why a selector cannot be read, in words; undefined when it can. */
export function selectorFault(text: string): string | undefined {
  const parsed = parseSelector(text);
  return parsed.ok ? undefined : `${parsed.message} (at character ${parsed.offset + 1})`;
}

/** A box for a selector, which completes names and values of labels. */
export function SelectorBox({
  value,
  onChange,
  onEnter,
  label = 'Selector',
  isLabelShown = false,
  placeholder = 'all endpoints',
  inputRef,
}: {
  value: string;
  onChange: (text: string) => void;
  onEnter?: () => void;
  label?: string;
  isLabelShown?: boolean;
  placeholder?: string;
  inputRef?: RefObject<HTMLInputElement | null>;
}) {
  const id = useId();
  const ownRef = useRef<HTMLInputElement>(null);
  const input = inputRef ?? ownRef;
  const [caret, setCaret] = useState(value.length);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const labels = useQuery({
    queryKey: ['labels'],
    queryFn: ({ signal }) => client.call('GET /v1/labels', { signal }),
    staleTime: 60_000,
  });
  const completion = completeSelector(value, caret, labels.data?.items ?? []);
  const { suggestions } = completion;
  const isShown = isOpen && suggestions.length > 0;
  const fault = selectorFault(value);

  const take = (one: Suggestion): void => {
    const { text, caret: next } = takeSuggestion(value, completion, one);
    onChange(text);
    setActive(-1);
    setCaret(next);
    requestAnimationFrame(() => {
      input.current?.focus();
      input.current?.setSelectionRange(next, next);
    });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const chosen = suggestions[active];
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      setOpen(true);
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setActive((active + step + suggestions.length + 1) % (suggestions.length + 1 || 1));
    } else if (event.key === 'Enter' && isShown && chosen !== undefined) take(chosen);
    else if (event.key === 'Tab' && isShown && chosen !== undefined) take(chosen);
    else if (event.key === 'Enter' && !event.ctrlKey && !event.metaKey) {
      setOpen(false);
      onEnter?.();
      return;
    } else if (event.key === 'Escape' && isShown) {
      setOpen(false);
      event.stopPropagation();
    } else return;
    event.preventDefault();
  };

  return (
    <div className={styles['box']}>
      {isLabelShown && (
        <span className={styles['label']} aria-hidden="true">
          {label}
        </span>
      )}
      <input
        ref={input}
        className={styles['input']}
        role="combobox"
        aria-label={label}
        aria-expanded={isShown}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={isShown && active >= 0 ? `${id}-${active}` : undefined}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        placeholder={placeholder}
        value={value}
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="off"
        onChange={({ target }) => {
          onChange(target.value);
          setCaret(target.selectionStart ?? target.value.length);
          setOpen(true);
          setActive(-1);
        }}
        onSelect={({ currentTarget }) => setCaret(currentTarget.selectionStart ?? 0)}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      <div id={`${id}-list`} role="listbox" aria-label="Completions" className={isShown ? styles['list'] : 'vh'}>
        {isShown &&
          suggestions.map((one, at) => (
            <div
              key={one.text}
              id={`${id}-${at}`}
              role="option"
              aria-selected={at === active}
              className={styles['option']}
              onMouseDown={(event) => {
                event.preventDefault();
                take(one);
              }}
            >
              <VisibleText text={one.text} />
              <span className={styles['note']}>{one.note}</span>
            </div>
          ))}
      </div>
      {fault !== undefined && (
        <span id={`${id}-fault`} className={styles['fault']}>
          {fault}
        </span>
      )}
    </div>
  );
}
