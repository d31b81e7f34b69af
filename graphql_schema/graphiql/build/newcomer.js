// What the examples leave open is filled in as soon as it is known: the token by a login, a website by asking for one.
import { useEditorContext, useExecutionContext } from '@graphiql/react';
import { useEffect } from 'react';

const STORED = 'dashi:known';

// As the examples write them, and what to do about one that is still there when it is sent.
const PLACEHOLDERS = {
  '<token>': 'Log in first: run the tab LogIn. Or put a token of yours into Headers.',
  '<website id>': 'Put the id of a website into Variables: the tab Websites lists yours.',
};

const FIRST_WEBSITE = '{ websites(first: 1) { nodes { id } } }';

const known = (storage) => JSON.parse(storage.getItem(STORED) ?? '{}');

/** Notes the token that an answer gives, if it gives one, and the id of the first website that it opens. */
export async function learn(answer, storage, ask) {
  const token = Object.values(answer.data ?? {}).find((field) => typeof field?.token === 'string' && field.user)?.token;
  if (!token) return;
  const { data } = await ask({ query: FIRST_WEBSITE }, { authorization: `Bearer ${token}` });
  const website = data?.websites?.nodes[0]?.id;
  storage.setItem(STORED, JSON.stringify({ '<token>': token, ...(website && { '<website id>': website }) }));
}

/** An error that is shown as its message alone: GraphiQL prints the stack of any other. */
export function plainly(message) {
  return Object.assign(new Error(message), { stack: undefined });
}

/** Refuses to send a placeholder: what the server says of it would not help. */
export function demandFilled(params, headers) {
  const text = JSON.stringify([params.variables ?? {}, headers]);
  for (const [placeholder, advice] of Object.entries(PLACEHOLDERS)) {
    if (text.includes(placeholder)) throw plainly(advice);
  }
}

function fill(editor, values) {
  const text = editor.getValue();
  const filled = Object.entries(values).reduce((all, [placeholder, value]) => all.replaceAll(placeholder, value), text);
  // Only what changes is set: the cursor of a reader who has come back stays where it was.
  if (filled !== text) editor.setValue(filled);
}

/** Sits in the page, shows nothing, and works whenever a tab is opened. */
export function Newcomer({ storage }) {
  const { activeTabIndex, headerEditor, variableEditor } = useEditorContext({ nonNull: true });
  const { stop } = useExecutionContext({ nonNull: true });
  useEffect(() => {
    // A subscription left running would write into the tab that was opened.
    stop();
    for (const editor of [headerEditor, variableEditor]) {
      if (editor) fill(editor, known(storage));
    }
  }, [activeTabIndex, headerEditor, variableEditor]);
  return null;
}
