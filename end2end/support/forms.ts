// What says of a request that it comes from a page of a browser's session: for specs that send by themselves what a form would.
import type { APIRequestContext } from "@playwright/test";

/** The header that a page's script sends, of the session whose cookie `request` has. */
export async function formToken(request: APIRequestContext, url: string): Promise<Record<string, string>> {
  const page = await (await request.get(`${url}/settings`)).text();
  const field = /<input[^>]*name="form_token"[^>]*>/.exec(page)?.[0] ?? "";
  const token = /value="([\w-]{43})"/.exec(field)?.[1];
  if (!token) throw new Error(`a page without a form token: ${page.slice(0, 200)}`);
  return { "x-form-token": token };
}

/** Signs the browser out as a form would. */
export async function signOut(request: APIRequestContext, url: string): Promise<void> {
  await request.post(`${url}/sign-out`, { headers: { origin: url, ...(await formToken(request, url)) }, maxRedirects: 0 });
}
