// What a page can do better with JavaScript. Everything works without it: forms post, links lead on.
document.documentElement.classList.add('js');

const status = document.getElementById('status');
const say = text => { if (status) status.textContent = text; };

// A category is saved as soon as it is chosen.
document.addEventListener('change', async event => {
    const form = event.target.closest('form.pick');
    if (!form) return;
    const select = event.target;
    select.disabled = true;
    try {
        const answer = await fetch(`/api/v1/transactions/${form.dataset.entry}`, {
            method: 'PATCH',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ category: select.value || null }),
        });
        if (!answer.ok) throw new Error(String(answer.status));
        say(`Saved: ${select.selectedOptions[0].text}`);
    } catch {
        select.disabled = false; // a disabled field would not be sent
        form.submit(); // the server says what is wrong
    } finally {
        select.disabled = false;
    }
});

// "More" brings the next rows into the list instead of a new page.
document.addEventListener('click', async event => {
    const link = event.target.closest('#more');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    link.setAttribute('aria-busy', 'true');
    try {
        const answer = await fetch(link.href);
        const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
        const rows = next.querySelector('#entries tbody').children;
        const days = document.querySelectorAll('#entries .day');
        if (rows[0]?.textContent === days[days.length - 1]?.textContent) rows[0].remove(); // the same day goes on
        say(`${rows.length} more`);
        document.querySelector('#entries tbody').append(...rows);
        const more = next.querySelector('#more');
        if (more) link.replaceWith(more);
        else link.parentElement.remove();
    } catch {
        location.assign(link.href);
    }
});

// A form is sent once.
document.addEventListener('submit', event => {
    const button = event.submitter;
    if (button) setTimeout(() => { button.disabled = true; });
});
addEventListener('pageshow', () => {
    for (const button of document.querySelectorAll('button:disabled')) button.disabled = false;
});
