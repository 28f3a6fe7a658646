// Tasks as an agent posts them: a report with rich output, choices, and members that the board does not know.

export const REPORT = {
  id: "7b0c1f7e-52f4-4c1c-9a51-64d8cb6f0f1d",
  type: "general",
  status: "completed",
  title: "Why the nightly import is slow",
  description: "One query without an index takes most of the night",
  context: {
    output: [
      '<div style="background:#1e1e1e;color:#e0e0e0;padding:20px;border-radius:8px;font-family:sans-serif;">',
      '<h2 style="color:#fff;margin:0 0 16px 0;">🐌 One query</h2>',
      '<table style="width:100%;border-collapse:collapse;"><tr><th style="padding:10px;text-align:left;color:#98c379;">Step</th>',
      '<th style="padding:10px;text-align:left;color:#f44336;">Minutes</th></tr>',
      '<tr><td style="padding:10px;border-top:1px solid #444;"><code style="background:#333;padding:2px 6px;">load()</code></td>',
      '<td style="padding:10px;border-top:1px solid #444;">212</td></tr></table>',
      '<pre style="background:#111;padding:12px;color:#e5c07b;">select *\n  from orders where day = $1</pre>',
      '<ol style="margin:8px 0;padding-left:20px;"><li><strong>Add</strong> the index</li></ol></div>',
    ].join(""),
    requestedAt: "2026-01-02T09:40:00Z",
    requestId: "0f2c5a3e-8d27-4d6b-8f5e-0f4f4fd1d2a1",
    prompt: "find out why the nightly import is slow",
    choices: [
      { label: "Add the index", value: "add-index", primary: true },
      { label: "Explain the plan", value: "explain" },
      { label: "Add to backlog", value: "backlog" },
    ],
    mood: { unheard: ["of"] },
  },
  createdBy: "agent",
  createdAt: "2026-01-02T09:13:58.259Z",
  updatedAt: "2026-01-02T09:13:58.399Z",
  requestId: "0f2c5a3e-8d27-4d6b-8f5e-0f4f4fd1d2a1",
  scope: "shop",
  tags: ["database", "import"],
  targetUser: "anna",
};

/** Rich output that tries to leave its box. `foreign` is an address that nothing may be asked of. */
export const hostile = (foreign: string) => `
<p id="kind">kind words <strong style="color: rgb(1, 2, 3)">in colour</strong></p>
<script>window.harmed = "script"</script>
<style>body { display: none !important } @import url(${foreign}/style.css);</style>
<link rel="stylesheet" href="${foreign}/link.css">
<base href="${foreign}/">
<meta http-equiv="refresh" content="0; url=${foreign}/refresh">
<img src="data:image/png;base64,AAAA" onerror="window.harmed = 'onerror'">
<img src="${foreign}/pixel.png" alt="a pixel">
<svg onload="window.harmed = 'onload'"><script>window.harmed = 'svg'</script></svg>
<iframe src="${foreign}/frame" srcdoc="<script>parent.harmed = 'frame'</script>"></iframe>
<a id="trap" href="javascript:window.harmed = 'link'">a link</a>
<a href="${foreign}/away" target="_blank">away</a>
<form action="${foreign}/form"><input name="prompt" aria-label="Prompt" autofocus><button>Run</button></form>
<div style="position: fixed; inset: 0; z-index: 99999; background: red">cover</div>
<div style="position: absolute; top: -2000px; left: 0; width: 9000px; height: 9000px; z-index: 9; background: red">cover</div>
<div style="margin: -3000px; background: url(${foreign}/background.png); width: 9000px; height: 9000px; transform: translate(-50%, -50%)">cover</div>
<div class="console" data-connection="live" onclick="window.harmed = 'click'">dressed up</div>
<p>the end`;
