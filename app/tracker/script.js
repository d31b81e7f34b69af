(() => {
  const script = document.currentScript;
  if (!script) return;

  const option = name => script.getAttribute("data-" + name) || undefined;
  const isOn = name => option(name) === "true";

  const website = option("website-id");
  const tag = option("tag");
  const domains = option("domains");
  const beforeSend = option("before-send");
  const automatic = option("auto-track") !== "false";
  const respectDnt = isOn("do-not-track");
  const excludeSearch = isOn("exclude-search");
  const excludeHash = isOn("exclude-hash");
  const base = option("host-url") || script.src.split(/[?#]/)[0].replace(/\/[^/]*$/, "");
  const endpoint = base.replace(/\/$/, "") + "/api/send";

  const stripped = href => {
    const address = new URL(href);
    if (excludeSearch) address.search = "";
    if (excludeHash) address.hash = "";
    return address.href;
  };

  let url = stripped(location.href);
  let referrer = document.referrer.startsWith(location.origin + "/") ? "" : document.referrer;
  let id, cache, off;

  const isDisabled = () => {
    try {
      // Reading the storage throws where the browser or a sandbox blocks it.
      if (localStorage.getItem("umami.disabled")) return true;
    } catch (e) {}
    const dnt = navigator.doNotTrack || window.doNotTrack;
    return (
      off ||
      !website ||
      (respectDnt && (dnt == 1 || dnt === "yes")) ||
      (domains && !domains.split(",").some(domain => domain.trim() === location.hostname))
    );
  };

  const payload = more => {
    // Without the history hooks nobody has noticed a change of address yet.
    if (!automatic) updateUrl();
    return Object.assign(
      {
        website,
        screen: screen.width + "x" + screen.height,
        language: navigator.language,
        title: document.title,
        hostname: location.hostname,
        url,
        referrer,
        tag,
        id,
      },
      more
    );
  };

  const send = async (type, payload) => {
    if (isDisabled()) return;
    const hook = window[beforeSend];
    if (typeof hook === "function") payload = await hook(type, payload);
    if (!payload) return;

    const body = JSON.stringify({ type, payload });
    const headers = { "Content-Type": "application/json" };
    if (cache !== undefined) headers["x-umami-cache"] = cache;
    const who = id;
    try {
      const response = await fetch(endpoint, {
        method: "POST",
        body,
        headers,
        credentials: "omit",
        // Browsers refuse keepalive bodies over 64 KiB; a character takes up to three bytes.
        keepalive: body.length < 2e4,
      });
      const answer = await response.json();
      if (answer.disabled) off = true;
      // A late answer for the visitor before identify() must not come back.
      if (answer.cache && who === id) cache = answer.cache;
    } catch (e) {}
  };

  const track = async (what, data) => {
    if (typeof what === "string") return send("event", payload({ name: what, data: data || undefined }));
    if (typeof what === "function") return send("event", what(payload()));
    return send("event", what || payload());
  };

  const identify = async (who, data) => {
    if (typeof who === "string") id = who || undefined;
    else data = who;
    cache = "";
    return send("identify", payload({ data: data || undefined }));
  };

  const updateUrl = () => {
    const next = stripped(location.href);
    if (next === url) return false;
    referrer = url;
    url = next;
    return true;
  };

  const onNavigation = () => {
    if (!updateUrl()) return;
    const view = { url, referrer };
    // Gives the page time to set its title.
    setTimeout(() => send("event", payload(view)), 300);
  };

  const onPopState = () => {
    // Browsers also fire this for a jump to an anchor, which is no page; "#/path" and "#!path" are pages.
    const next = stripped(location.href);
    if (next.split("#")[0] !== url.split("#")[0] || /#[/!]/.test(next + " " + url)) onNavigation();
  };

  const wrap = name => {
    const original = history[name];
    history[name] = function (state, title, to) {
      const result = original.apply(this, arguments);
      if (to) onNavigation();
      return result;
    };
  };

  let click = {};

  const onClick = event => {
    const target = event.target;
    const element = target.closest && (target.closest("a,button") || target);
    const name = element && element.getAttribute("data-umami-event");
    if (!name) return;
    const data = {};
    for (const attribute of element.attributes) {
      const key = /^data-umami-event-(.+)/.exec(attribute.name);
      if (key) data[key[1]] = attribute.value;
    }
    click = { event, link: element, sent: track(name, data) };
  };

  const opensHere = link =>
    link.tagName === "A" &&
    /^(_self|_top)?$/i.test(link.target) &&
    !document.querySelector("base[target]") &&
    /^https?:$/.test(link.protocol) &&
    !link.hasAttribute("download") &&
    // Following it by script would tell what such a link keeps to itself.
    !link.referrerPolicy &&
    !/noreferrer/i.test(link.rel) &&
    // A jump within the page does not cut the request off.
    !(link.hash && link.href.split("#")[0] === location.href.split("#")[0]);

  // Runs after the page's own handlers: a link they have dealt with (a client-side router) is left alone.
  const holdLink = event => {
    const { link, sent } = click;
    if (event !== click.event || event.defaultPrevented || !opensHere(link)) return;
    if (event.button || event.ctrlKey || event.shiftKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const follow = () => {
      (/_top/i.test(link.target) ? top : window).location.href = link.href;
    };
    // A silent server does not stop the visitor; keepalive carries the request on.
    Promise.race([sent, new Promise(resolve => setTimeout(resolve, 1000))]).then(follow, follow);
  };

  const start = () => {
    url = stripped(location.href);
    wrap("pushState");
    wrap("replaceState");
    addEventListener("popstate", onPopState);
    document.addEventListener("click", onClick, true);
    addEventListener("click", holdLink);
    track();
  };

  if (!window.umami) window.umami = { track, identify };

  if (automatic && !isDisabled()) {
    if (document.readyState === "complete") start();
    else document.addEventListener("readystatechange", start, { once: true });
  }
})();
