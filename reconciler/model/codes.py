"""Every diagnostic code with its long text, as `reconciler explain CODE` prints it.

Sorted by code. A text says what the code means, why it is checked, and what to do.
"""

from __future__ import annotations

from types import MappingProxyType

EXPLANATIONS = MappingProxyType(
    {
        "account-unconfirmed": (
            "The project does not say which account it describes, and nobody is there to confirm the one "
            "that the credentials belong to. A key in the wrong environment could change the wrong "
            "account. Set `account_id:` in the project file."
        ),
        "address-taken": (
            "`state move` was to give an entry a key under which something is remembered already. One "
            "address stands for one object, so the records would have to be thrown away, and with them "
            "the ids by which their objects are found. Choose another key, or drop what is in the way "
            "with `state forget` first, which changes nothing at Fivetran."
        ),
        "alias-bomb": (
            "YAML aliases repeat what an anchor names, and aliases of aliases multiply. A file whose "
            "aliases stand for too many values, or for themselves, would take memory and time without "
            "end, so it is refused before anything is built of it. Write the values out, or put what many"
            " destinations share into a profile."
        ),
        "ambiguous-name": (
            "Fivetran does not promise that group names are unique, and several groups of the account "
            "have the name of this entry. Choosing one by chance could change the wrong one. Say which is"
            " meant by its id."
        ),
        "api-refused": (
            "Fivetran answered with an error that says the request itself is not acceptable. What the API"
            " said is part of the message. Nothing was changed by that request."
        ),
        "approval-needed": (
            "Setup tests met a certificate or an SSH host key that nobody has approved, and the spec does"
            " not grant blanket trust. A person has to look at it. Approve it in Fivetran, or set "
            "`trust:` for this entry, and apply again."
        ),
        "bad-allow": (
            "An entry of `secrets.allow` in the project file is a glob of references, such as "
            "`env:MARKETING_*` or `file:/run/secrets/*`: a known scheme, a colon, and what follows it. "
            "One that starts with anything else covers no reference, so somebody who relies on it would "
            "be surprised. Correct it, or remove it."
        ),
        "bad-api-url": (
            "The base URL of the Fivetran API must be an https address without credentials, query or "
            "fragment. Every request carries the API key and its secret, so plain http is accepted for "
            "loopback addresses only. Leave `FIVETRAN_API_URL` unset to use the public API, or correct "
            "its value."
        ),
        "bad-id": (
            "An `id` is the name that Fivetran made up for a group, such as `decent_dropsy`: letters, "
            "digits, `_` and `-` only. It becomes part of a request path, so anything else is refused. "
            "Copy the id from the Fivetran dashboard or leave it out."
        ),
        "bad-key": (
            "The keys of groups and profiles are addresses, so they are lower-case letters, digits and "
            "underscores and start with a letter. All other keys must at least be text. What Fivetran "
            "shows can be any text: write it as `name:`."
        ),
        "bad-policy": (
            "An entry below `policies:` in the project file has exactly one rule, settings that this rule "
            "understands, and a name that no other policy has. A policy that means something else than "
            "its author thinks protects nobody, so nothing goes on before it is in order."
        ),
        "bad-proxy": (
            "The environment names a proxy whose address cannot be used: only `http://` and `https://` "
            "proxies are supported. It is checked first because otherwise every single call would fail. "
            "Correct `HTTPS_PROXY` or `ALL_PROXY`, or put the API's host into `NO_PROXY`."
        ),
        "bad-reference": (
            "A reference is a mapping with one key, `secret` or `value`, whose text is `scheme:locator` "
            'or `scheme:locator#part`, for example `{secret: "env:DB_PASSWORD"}` or `{secret: '
            '"vault:kv/team/database#password"}`. What looks like a reference but is none would be sent '
            "to Fivetran as it stands, so it is an error. Known schemes are `aws`, `command`, `env`, "
            "`esm`, `file` and `vault`, and those of installed packages; `env:` never reads the "
            "credentials and settings of this program itself, and `command:` runs only what the project "
            "file names."
        ),
        "bad-time-zone": (
            'A `time_zone_offset` is a whole number of hours from -11 to +12, written as text: `"-5"`, '
            '`"0"`, `"+1"`. Fivetran has no half hours and no names of zones, and refuses everything '
            "else. Write the offset in winter time and say with `daylight_saving_time_enabled` whether it"
            " moves in summer."
        ),
        "both-changed": (
            "Since this branch left the revision that `--changed-since` names, both changed this entry, and what they "
            "made of it is not the same; or the branch has given a key, an id or a name to one entry and the revision "
            "to another one. A plan of the branch would undo the other change, so there is none. Merge the revision "
            "into the branch or rebase it, decide there which of the two is meant, and plan again. `--exclude` leaves "
            "the entry out until then."
        ),
        "branch-behind": (
            "The revision that `--changed-since` names has changed entries that this branch still has as they were. "
            "They are left alone: a plan of the branch as it stands would undo what others have merged, and would miss "
            "or delete what they have added. What the branch itself changed is planned as if the two were merged "
            "already. Merge the revision into the branch, or rebase it, to have all of it."
        ),
        "broken-secret-store": (
            "A reference uses a scheme that an installed package offers as an entry point of the group "
            "`reconciler.secrets`, and that package cannot be used: it does not load, its store cannot be"
            " opened, two packages offer the same scheme, or the scheme is one that is built in. What the"
            " package itself says is not repeated, since it may hold a secret. Update the package, or "
            "uninstall it."
        ),
        "budget-short": (
            "Fivetran limits how many requests and setup tests an account may make within an hour. "
            "This plan needs more than are left now. An apply keeps to the limit by pausing, so it "
            "works, but takes long. Apply a part of it, or correct `budget:` in the project file if "
            "the account has other limits."
        ),
        "bug": (
            "Something happened that reconciler did not foresee. The lines printed with it say where; the"
            " message of the exception is left out on purpose, because it could hold a value of yours. "
            "Please report it. If it happened during an apply, plan again: what exists is found and not "
            "made twice."
        ),
        "cannot-override": (
            "`--override` is for soft policies of the project, by their names. An advisory policy stops "
            "nothing, and a hard one is meant to hold whoever applies: the way around it is a reviewed "
            "change of the project file."
        ),
        "cannot-recreate": (
            "`--recreate` makes again what an earlier run knows and what is not to be seen any more. It "
            "names an entry that is there, that no run has made yet, that is declared with an `id:` (the "
            "new group will have another one), or whose name another group has, so that there would be "
            "two. Nothing is sent. Correct the option, or the entry."
        ),
        "conflict": (
            "Fivetran answered 409: what exists in the account does not allow this call, for example "
            "because a group has a destination already, or connections still load into it. A new plan "
            "shows what is true now."
        ),
        "conflicting-fields": (
            "Two fields that are one setting at Fivetran, an old name and a new one, are declared with "
            "different values. Which of them would win is not documented, so neither is sent. Keep the "
            "new name."
        ),
        "create-unsettled": (
            "An earlier run sent a request to create this, and no answer came. A proxy or a gateway may hold such "
            "a request up and deliver it minutes later, and a second one would then make a second object. So it is "
            "created only when that request is older than `settle` of the project file (15 minutes unless it says "
            "otherwise), by the clock of this machine and by that of Fivetran. Everything else goes on. Apply again "
            "after the time that the message names; what has taken effect by then is found. Whoever has looked at "
            "Fivetran and knows that nothing will come can say so with `apply --resend-create ADDRESS --reason TEXT`."
        ),
        "deprecated-field": (
            "A field is declared under a name that Fivetran has replaced. It still works and is compared "
            "under its new name. Rename it before Fivetran stops taking the old one."
        ),
        "duplicate-group": (
            "One key describes one group, whichever file it stands in. Two entries of the same key would "
            "leave it to chance which one wins. Rename one, or move per-environment values to a file "
            "under `overrides`."
        ),
        "duplicate-id": (
            "Two entries name the same group of Fivetran by its `id`. Both would write to it, and each "
            "plan would undo the other. Keep one of the entries, or correct the id."
        ),
        "duplicate-key": (
            "The same key stands twice in one YAML mapping. Most programs silently keep the last one, "
            "which hides mistakes of merging and copying. Remove one of them."
        ),
        "duplicate-name": (
            "Two entries would have the same name in Fivetran. Names are how an existing group is "
            "recognised, so they must differ. The name of an entry is its `name:`, or its key where there"
            " is none."
        ),
        "duplicate-removal": (
            "Two entries below `removed:` name the same group. One of them may say less than the other, "
            "so neither is trusted. Keep the one that is meant."
        ),
        "empty-spec": (
            "A file without content, or a project without any group, is far more often a lost file or a "
            'bad merge than a wish to manage nothing. It is therefore an error and never "no changes". '
            "Restore the content, or take the file out of `specs`."
        ),
        "events-lost": (
            "Lines of the file that `--events` names could not be written, usually because its disk was "
            "full. A log never stops an apply half-way, so the run went on without them; what it did is in"
            " its output and in the state. Make room, and treat the log of this run as incomplete."
        ),
        "events-unusable": (
            "The file that `--events` names cannot be opened and written, or it holds something else than "
            "such a log, to which nothing is added. A run that is to be logged does not start without its "
            "log, so nothing was sent to Fivetran. Name another file, or correct its permissions."
        ),
        "external-secret-unsupported": (
            '`{secret: "esm:NAME"}` leaves it to Fivetran to fetch a value from your own secrets manager.'
            " Fivetran does so for credentials of some services only, and would not know what to do with "
            "the name of a secret in any other field. Refer to a place that this program can read "
            "instead."
        ),
        "field-not-allowed": (
            "A field is declared together with a setting that rules it out, typically a password beside a"
            " login by key pair. Fivetran answers 400 to the whole destination without saying which field"
            " it means. Remove the field, or change the setting that it belongs to."
        ),
        "file-unreadable": (
            "A file that the project needs cannot be read: it is absent, is not a regular file, or may "
            "not be opened. The run stops rather than going on with a part of the specs. Check the path "
            "and its permissions."
        ),
        "file-unwritable": (
            "A file that this command was asked to write cannot be written: its folder does not exist, "
            "belongs to somebody else, or the disk is full. What stood there before is kept. Name another"
            " place, or make this one writable."
        ),
        "forbidden": (
            "Fivetran answered 403: the key is valid, but its role does not allow this call. The run "
            "stops at once. Use a key that may manage groups and destinations, or ask for the missing "
            "permission."
        ),
        "forbidden-character": (
            "Control characters, text-direction overrides and zero-width characters cannot be seen in a "
            "review, so what is read and what is sent could differ. They are refused everywhere in a "
            "spec, also as escapes in quotes. Remove the character; tabs and line ends are fine where "
            "YAML allows them."
        ),
        "gone-or-hidden": (
            "An earlier run knows this object, or the entry names it by `id:`, and the account does not "
            "show it: no list has it, and asked for by its id Fivetran answers 404 or 403. Either it was "
            "deleted, or these credentials may not see it: the API key of a user with a role sees a part "
            "of the account only. To make it again could make it twice, so nothing is sent. Use a key "
            "that sees it. Where it was deleted for certain, `--recreate ADDRESS` makes it again; an "
            "entry that is to be given up belongs below `removed:`. `--exclude ADDRESS` leaves it out."
        ),
        "has-connections": (
            "An entry is to be deleted while connections of users load into its destination. Fivetran "
            "would refuse it, and nothing here deletes connections. Move or delete them first."
        ),
        "held": (
            "A planned deletion was not carried out, because something before it in the same run did not "
            "work. Deletions come last and only when all else went well, so that a half-done change never"
            " takes something away. Correct what failed and apply again."
        ),
        "interrupted": (
            "The run was stopped by Ctrl-C before it had changed anything. Nothing needs to be undone; "
            "start it again whenever you like."
        ),
        "invalid-address": (
            "What follows `state move` is neither a key nor an address. An address is `group.KEY` or "
            "`destination.KEY`, and a key begins with a lower-case letter and has only lower-case "
            "letters, digits and `_` after it, as in specs. A group never becomes a destination: naming "
            "the keys alone moves both."
        ),
        "invalid-config": (
            "Fivetran answers a value that it cannot parse with one sentence that names no field. Usual "
            "reasons are an enum in another spelling, a number where a text is expected, or a field that "
            "this service does not take. The note names every field that was sent, without its value."
        ),
        "invalid-fault": (
            "A line of a fault file cannot be read. A fault names a method, a path, optionally which of "
            "the requests it strikes, a phase and what happens, as in `POST /v1/destinations #2 after-"
            "effect reset`. `reconciler emulate --faults` describes all of it."
        ),
        "invalid-seed": (
            "The seed of an emulated account contradicts itself, for example because two of its groups "
            "have the same id. Fivetran gives every group an id of its own, and a destination has the id "
            "of its group, so such an account cannot exist. Correct the entry, or leave ids out: the "
            "emulator then makes them."
        ),
        "job-file-unwritable": (
            "With `--format github` a run adds a page to the summary of its step and sets outputs, through files that "
            "the runner names in `GITHUB_STEP_SUMMARY` and `GITHUB_OUTPUT`. One of them cannot be written or has no "
            "room left. The run went on and ends as it would have without them, but later steps do not get what was "
            "to be there."
        ),
        "late-twin": (
            "A request to create a group had no answer, and another one was sent: because it counted as settled, or "
            "because somebody said so. Now there is a group that neither was there before nor is the managed one: the "
            "first request has taken effect after all. Nothing is deleted by itself. Look which of the two is used, "
            "and delete the other one in Fivetran, or write the `id:` of the right one into the entry."
        ),
        "lease-lost": (
            "The lock of a state that runners share is a lease, which a run renews while it works. This "
            "run could not renew it in time, or somebody broke its lock or wrote the state meanwhile. "
            "Two runs at once could make the same group twice, so this one started nothing more and left "
            "the state as the other run has it. Apply again: what exists is found and not made twice."
        ),
        "legacy-service": (
            "The service is one that Fivetran has superseded or withdrawn. Existing destinations of it "
            "are still managed, but creating a new one is likely to be refused. Use the successor that "
            "the message names, where there is one."
        ),
        "limit-exceeded": (
            "A plan does more than the project's limits allow for one apply. Limits catch the mistake in "
            "one line that changes everything. If it is meant, whoever applies allows it for this run and"
            " says why; the pull request itself cannot."
        ),
        "literal-secret": (
            "A field that holds a secret is written out in a spec, or one that the catalogue does not describe "
            "and whose name sounds like a secret, or a value has the form of a key, a "
            "token or a connection string with its password. Specs are meant to be committed and "
            "reviewed, so everyone who can read the repository, now or later, would know it. Replace the "
            "secret, since it may already be in the history, and refer to the new one with `{secret: "
            '"env:NAME"}`. What only looks like a secret can be given by `{value: "env:NAME"}`. Below '
            "`extra_config:` names count as well, and forms do not."
        ),
        "lock-left": (
            "A run did its work and could not let go of the lock of its state, because the place of the state did "
            "not answer or refused the write. Nothing else is lost by that. The next run has to wait until the lock "
            "runs out by itself, a few minutes later, or until somebody frees it with `reconciler state unlock`."
        ),
        "locked": (
            "Another run is writing to the same state at this moment. Two at once could make the same "
            "group twice, so the second one stops before it does anything. The message says who holds the"
            " lock. Wait for that run to end; the lock of a process that died is free at once. Where the "
            "state is on a shared disk and the other host died, `reconciler state unlock` breaks the lock."
            " In git and in buckets a lock is a lease: one that nobody renews runs out by itself."
        ),
        "mask-literal": (
            "A value consists of stars only. That is what Fivetran's answers show in the place of a "
            "secret, so it was probably copied from one; sent back, it would overwrite the real secret. "
            "Refer to the secret, or remove the line to leave the field as it is."
        ),
        "missing-ca-bundle": (
            "`REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE` names a file with certificate authorities that is "
            "not there. TLS is always verified, so no call could succeed. Correct the variable, or unset "
            "it to trust the usual authorities."
        ),
        "missing-credentials": (
            "A run against Fivetran needs an API key and its secret in the environment. They are read "
            "from `FIVETRAN_APIKEY` and `FIVETRAN_APISECRET`, the names that other Fivetran tools use "
            "too. With `--sandbox` none are needed."
        ),
        "missing-field": (
            "A destination lacks a field that it cannot do without, always or because of another setting "
            "such as a login or networking method. Fivetran would refuse the destination, or accept it "
            "and never get it connected. Add the field, or change the setting that demands it."
        ),
        "missing-key": (
            "A key that must be there is absent. Every file says `version: 1`, and the project file lists"
            " its `specs`."
        ),
        "multiple-documents": (
            "A file holds one YAML document. A second `---` would start another one, and it would be "
            "unclear which of them counts. Move the rest to a file of its own."
        ),
        "no-match": (
            "A path or glob of the project file matches no file. A pattern that silently matches nothing "
            "would look like specs that were emptied. Correct it, or remove it from the list."
        ),
        "no-memory": (
            "The plan would make groups in an account that has groups already, and no earlier run left a "
            "memory of it. A group that exists under another name would be made a second time. That is "
            "right for new groups; for one that exists, write its id into the entry, and it is adopted."
        ),
        "no-merge-base": (
            "`--changed-since` compares the specs with the commit at which their branch left the revision, so that "
            "what others changed there since is not undone. Git found no such commit. A shallow clone, as continuous "
            "integration makes it, lacks the commits between the two: fetch the whole history, with "
            "`fetch-depth: 0` for actions/checkout, `GIT_DEPTH: 0` for GitLab, or `git fetch --unshallow`."
        ),
        "no-state": (
            "A command wants to look at what earlier runs remember, and there is nothing: no apply has "
            "succeeded in writing it here, or another project, another folder or the sandbox is meant. "
            "The state of a project stands in `.reconciler/` beside its project file, that of the sandbox"
            " in `.reconciler/sandbox/`."
        ),
        "no-terminal": (
            "`apply` shows a plan and waits for a person to type `yes`. In a pipeline nobody can, and "
            "reconciler does not take silence for consent. Let somebody read the output of `reconciler "
            "plan`, then run `apply --auto-approve`. Nothing was sent."
        ),
        "not-clearable": (
            "`null` asks to clear a field, but Fivetran clears neither numbers nor truth values nor "
            "fields with a fixed choice. Write the value that you want, or remove the line: a field that "
            "is not declared is left alone."
        ),
        "not-found": (
            "Fivetran says that an object does not exist, though a moment ago it did, or the plan assumed"
            " so. Somebody may have deleted it meanwhile. A new plan shows what is true now."
        ),
        "not-in-project": (
            "A path on the command line is no file of the project: it does not exist, or no entry of "
            "`specs` or `overrides` in the project file leads to it. Passing over it in silence would "
            "look as if it had been checked. Correct the path, or add the file to the project."
        ),
        "not-remembered": (
            "A change was carried out at Fivetran, and the file that remembers it could not be written. "
            "The object exists and is not lost: the next plan finds it by its id or name. Or something was "
            "about to be created, and could not be written down before: then it was not sent. Correct the "
            "cause, usually a full disk or missing permissions, and apply again."
        ),
        "not-utf8": (
            "Specs are read as UTF-8, so that the same file means the same everywhere. Save the file in "
            "that encoding; most editors offer it when saving."
        ),
        "nothing-selected": (
            "`--exclude` takes away every entry that there is, or every one that `--target` names. A plan of nothing "
            "would say that there are no changes, and would look as if all were as declared. Nothing was read or sent. "
            "Leave an entry to look at."
        ),
        "nothing-to-resend": (
            "A glob of `--resend-secret` matches no secret that the specs refer to. A secret that should "
            "have been sent again would silently stay what it is, so this is an error and nothing is "
            "done. Secrets are named by their address and field, such as "
            "`destination.orders:config.password`; an address alone means all secrets of that entry, and "
            "`*` stands for anything. Names with the scheme `esm:` do not count, because Fivetran fetches"
            " those by itself."
        ),
        "nothing-unsettled": (
            "`--resend-create` names something that does not wait for an earlier request: it exists, its request "
            "was never sent, or enough time has passed, so that an ordinary apply creates it. Whoever sends a create "
            "again has looked at Fivetran; if this is about something else, they looked at the wrong thing. "
            "`reconciler plan` shows what waits."
        ),
        "object-store-not-installed": (
            "A state in a bucket is reached by a library that is not installed with everything else, "
            "since most projects do without it. Install the extra that the message names, on every "
            "machine that reads or writes this state, or keep the state in a file or in git."
        ),
        "old-region-name": (
            "The region is named as in the early days of Fivetran's API, when regions had no cloud. Such "
            "names are still passed on, but what some of them stand for is not documented, and answers "
            "use the present names. Write the present name."
        ),
        "other-account": (
            "The project file says which account it describes, and the credentials belong to another one."
            " This is checked before anything else is read, so that a wrong key in a shell never changes "
            "the wrong account. Use the right credentials or correct `account_id:`."
        ),
        "out-of-range": (
            "The catalogue says between which bounds a number of this field must be, and the one in the "
            "spec is outside of them; ports, for example, go from 1 to 65535. Fivetran would take the "
            "number and fail later, when it connects. Correct the number."
        ),
        "outcome-unknown": (
            "A request that changes something was sent, and no usable answer came back. Fivetran may have"
            " carried it out. It is never sent a second time blindly; the next plan reads the account, "
            "finds what exists, and goes on from there. A create that is not found is made again only once "
            "`settle` has passed; see `create-unsettled`."
        ),
        "output-lost": (
            "The results could not be written to the end, for example because a disk is full. What was "
            "done at Fivetran is done all the same. Make room, then run `reconciler plan` to see where "
            "things stand."
        ),
        "outside-project": (
            "Specs are read from the directory of the project file and below it. A relative path or a "
            "symbolic link that leads out of there is refused, since a pull request could otherwise make "
            "the run read any file. Move the file, or name it by an absolute path."
        ),
        "plan-altered": (
            "The file is not what `plan --out` wrote: a byte was changed, added or lost, or it never "
            "was a plan. A saved plan is refused as soon as anything in it differs, even a space. "
            "Make a new one."
        ),
        "plan-applied": (
            "Everything in the saved plan is in effect already: it was applied before, or somebody "
            "did the same by hand. There is nothing left to do, and a plan is not applied twice."
        ),
        "plan-expired": (
            "A saved plan is valid for seven days, or for as long as `--expires` said. Accounts "
            "change, and an approval should not be older than what it was given for. Make a new plan "
            "and have it approved."
        ),
        "plan-format": (
            "The saved plan was written by a version of this program whose format this version does "
            "not read. Make the plan with the version that is going to apply it."
        ),
        "plan-incomplete": (
            "When the plan was made, not everything in its scope could be read, so it may lack "
            "changes that belong to it. It can be looked at and not be applied."
        ),
        "plan-not-saved": (
            "The plan was made and could not be written to the file that `--out` names, for example "
            "because its folder does not exist. Nothing was sent that changes anything."
        ),
        "plan-other-account": (
            "The saved plan was made for another account than the one that these credentials belong "
            "to. What was reviewed for one account is never carried out in another."
        ),
        "plan-secret-changed": (
            "A secret that the saved plan would send has another value now. Its fingerprint tells "
            "that, not the value itself. Make a new plan, so that what is sent is what was reviewed."
        ),
        "plan-signature": (
            "A signature was asked for, and the saved plan has none, or one that was made with "
            "another key. Only a plan that was signed with this key is applied."
        ),
        "plan-spec-changed": (
            "Since the plan was reviewed, the specs of an entry that it touches have changed, so an "
            "apply would do something that nobody has seen. Changes of other entries do not matter."
        ),
        "plan-stale": (
            "Since the plan was reviewed, something that it touches was changed, made or deleted at "
            "Fivetran, so an apply would do something that nobody has seen. Each field that differs "
            "is named. Drift of other entries does not matter."
        ),
        "plan-unlike": (
            "`apply --expect` was given the digest of an approved plan, and the plan as it is now has "
            "another one. The specs, the account or the scope are not what was approved. Nothing was "
            "sent that changes anything."
        ),
        "plan-unreadable": (
            "The file that was named as a saved plan does not exist or cannot be read. Name one that "
            "`reconciler plan --out FILE` wrote."
        ),
        "platform-connection": (
            "Fivetran may put a connection of its own, `fivetran_metadata`, beside a destination, and it "
            "blocks the deletion. It is deleted only where the entry below `removed:` says so, since the "
            "logs that it holds go with it."
        ),
        "policy-failed": (
            "A policy could not judge, because its rule ended with an error. Nobody knows then whether "
            "what it guards against is in this plan, so it refuses, also where it would only warn. "
            "Correct the package that brings the rule; a soft or advisory policy can be overridden for "
            "one run."
        ),
        "policy-violated": (
            "The specs, or what an apply would do, are against a policy of the project. A hard policy "
            "refuses, a soft one refuses unless whoever applies overrides it and says why, and an "
            "advisory one only warns. Policies stand below `policies:` in the project file, each with "
            "the reason that its authors gave."
        ),
        "port-unavailable": (
            "The emulator could not listen on the port: another program has it, or ports below 1024 are "
            "reserved. Choose another one, or `--port 0` for any that is free."
        ),
        "protected": (
            "An entry below `removed:` names something that is protected by the project file, by its own "
            "spec, or by what was remembered when its spec still existed. Deleting the lines that declare"
            " a protection does not lift it. Lift it in a change of its own, apply that, and remove the "
            "entry then."
        ),
        "rate-limited": (
            "Fivetran limits the number of calls per account, over all tools that use it together. This "
            "request was refused for that reason and had no effect. Try again when the time that the API "
            "names has passed."
        ),
        "read-only-field": (
            "A field is declared that only Fivetran sets; it appears in answers and is refused or ignored"
            " in requests. Remove it. Where answers show a field under another name, the help says which "
            "one to declare."
        ),
        "redirected": (
            "The API address answered with a redirect. Redirects are never followed, because the "
            "credentials belong to the configured address alone. Usually `FIVETRAN_API_URL` is wrong or a"
            " proxy asks for a login."
        ),
        "reference-not-allowed": (
            "The project file narrows what specs may refer to with `secrets.allow`, and this reference is"
            " none of it. A spec that could name any variable or file could also send its content into a "
            "field that others can read. Use a reference that the globs cover, or ask whoever owns the "
            "project file to add one."
        ),
        "removal-done": (
            "An entry below `removed:` asks for what is done already: its object answers 404 under the id that is"
            " remembered of its key, or it is not managed any more. It does nothing and can be deleted."
        ),
        "removal-needs-name": (
            "An entry below `removed:` has a key of which no earlier run remembers anything, as after a lost state "
            "or before a first apply. Its id alone could be that of any group of the account, so it must also say "
            "`name:`, byte for byte as Fivetran shows it. Nothing is deleted and nothing forgotten meanwhile."
        ),
        "removal-of-another": (
            "An entry below `removed:` has an id that is remembered of another key. Two entries may have got each "
            "other's ids, or the key is a slip. Nothing is deleted and nothing forgotten before both agree."
        ),
        "removal-other-id": (
            "An entry below `removed:` has another id than the one that is remembered of its key: a slip, the id of "
            "a group that was deleted and made again, or that of somebody else's group. Nothing is deleted and "
            "nothing forgotten. Write the remembered id. If it is the memory that is wrong, `reconciler state forget`"
            " corrects that; then the entry must also say the live `name:`."
        ),
        "removal-other-name": (
            "An entry below `removed:` says another `name:` than the group with its id has at Fivetran. Names are "
            "compared byte for byte. Where the id is remembered, the name that was last applied is right too, and so "
            "is no `name:` at all."
        ),
        "removal-unknown-id": (
            "An entry below `removed:` has an id that no group of this account has, and of its key nothing is "
            "remembered: a slip, an id of another account, or a removal that another state knows to be carried out. "
            "Delete the entry, or correct its id."
        ),
        "removed-and-declared": (
            "The same entry is declared and removed, or an entry below `removed:` has the id of the group that"
            " an entry of another key stands for, by its `id:`, by memory, `was:` or its name. It is not guessed"
            " which of the two is meant. Delete one of them."
        ),
        "replace-refused": (
            "The changed field cannot be changed in place: Fivetran knows only deletion and a new "
            "creation, and connections of the group would lose their destination. Because that must never"
            " happen by an edit of one line, the change is refused. Put the old value back, or declare "
            "the new destination under another key, move the connections, and then retire the old one."
        ),
        "sandbox-not-installed": (
            "The sandbox and `reconciler emulate` run a Fivetran of their own, which needs packages that "
            "a production install can do without. They come with the extra `sandbox`."
        ),
        "sandbox-unusable": (
            "The sandbox keeps its account in a folder `.reconciler/sandbox` beside the project file, so "
            "that a second run sees what the first one did. That folder cannot be used. Make it writable,"
            " or delete it to start with an empty account."
        ),
        "secret-shown": (
            "A spec refers with `{value: …}` to something that an entry uses as a secret. Values behind "
            "`value` are shown in plans, in comments of pull requests and in logs, so one line would be "
            "enough to make a secret public. Write `secret`, or refer to something else. The project file "
            "can narrow what may be shown at all by `secrets.visible`."
        ),
        "secret-unavailable": (
            "A value that has to be sent is written as a reference, and what it refers to is not there: "
            "an environment variable is unset or empty, a file is missing, a store refuses or does not "
            "answer, a command fails. Nothing is sent in its place, since an empty password at Fivetran "
            "would be worse than no run. Provide the value where the reference points, or correct the "
            "reference."
        ),
        "server-fault": (
            "Fivetran, or a gateway before it, answered with a 5xx status. Reading can simply be tried "
            "again. Where a change was sent, the message says that its outcome is unknown."
        ),
        "setup-tests-failed": (
            "The object was written, and Fivetran's setup tests of it do not pass. It is kept as it is "
            "and never deleted for that; the next plan shows that its tests are outstanding. Correct what"
            " the tests complain about and apply again. With `setup_tests: {on_failure: warn}` this is a "
            "warning."
        ),
        "setup-tests-not-run": (
            "The object was written, but the request for its setup tests failed. What was written stands."
            " The next plan shows that its tests are outstanding, and the next apply runs them."
        ),
        "signature-key-unusable": (
            "The key for the signature of a plan is named by `env:NAME` or `file:PATH` and has 16 "
            "characters or more. The one that was named does not exist, is too short, or cannot be "
            "read."
        ),
        "skipped": (
            "A change was not tried, because something that it depends on did not come about, or because "
            "the run was stopped before. Nothing about it has changed at Fivetran. Correct the first "
            "failure and apply again."
        ),
        "state-cleaned": (
            "An earlier release kept values of fields that the catalogue does not describe, and values below "
            "`extra_config`, in clear in the state. Such a value may be a secret, so this release hides it and keeps a "
            "fingerprint of it at most. The state was written without these values. What was written before is still "
            "in the history of a git branch, in the versions of a bucket and in backups: replace the values that are "
            "secrets, at their source and at Fivetran."
        ),
        "state-damaged": (
            "The file that remembers what this program did is not what it wrote: it was cut, edited, or "
            "overwritten. It is never guessed at. A state is memory and no authority, so deleting it is "
            "safe: entries are found again by their ids or names, and nothing is deleted or made twice; "
            "only drift and changed secrets cannot be told for one run."
        ),
        "state-in-use": (
            "A plan was made while another run was writing to the same state. What it read may be from before or "
            "after a change of that run, so it can show changes that are made already, or miss some. Looking needs "
            "no lock, and this is only a warning. Wait for the other run to end, and plan again."
        ),
        "state-newer": (
            "The state was written by a version of this program that knows more than this one. Reading it"
            " halfway could lose what the newer version remembered. Use the newer version everywhere this"
            " state is used."
        ),
        "state-not-kept": (
            "The changes were carried out, and the file that remembers them could not be written at "
            "the end. What is to be remembered was written to another place, which is named, or is "
            "lost. Nothing at Fivetran is lost: entries are found again by their ids and names."
        ),
        "state-unreachable": (
            "The state is kept in a git repository or a bucket, and that did not answer, did not take the "
            "credentials, or refused the write. Without the state nobody knows what earlier runs did, and "
            "without its lock two runs could work at once, so nothing is sent to Fivetran. Correct the "
            "address, the network or the credentials that the message is about, and run again."
        ),
        "state-unusable": (
            "The file that remembers what this program did cannot be read or written, because of "
            "permissions, a full disk, or something else in its place; or the place that runners share cannot "
            "keep a state, as a branch with other files or a bucket that ignores conditions on writes. Nothing is "
            "sent to Fivetran that could not be remembered. Correct the cause and run again."
        ),
        "too-deep": (
            "Mappings and lists are nested deeper than any spec needs. Such files make parsers crash, so "
            "the nesting is bounded. Look for brackets that are never closed."
        ),
        "too-large": (
            "A single file has more bytes or more values than can be read quickly. Specs of thousands of "
            "groups are fine when they are spread over several files, which the globs of `specs` bring "
            "together."
        ),
        "unauthorized": (
            "Fivetran answered 401: the key or the secret is wrong, or was revoked. Every further call "
            "would end in the same way, so the run stops at once. Check the two environment variables."
        ),
        "unfinished": (
            "An earlier run wrote this destination, and it has not passed the setup tests that its "
            "spec demands. Plans of a part of the specs say so as well, so that unfinished work is "
            "never out of sight."
        ),
        "unintelligible-answer": (
            "An answer came with a success status, but it is not what the API answers: no JSON, another "
            "shape, or another object. A proxy or a login page is the usual reason. Where a change was "
            "sent, its outcome is treated as unknown."
        ),
        "unknown-address": (
            "A `state` command names an address or a key of which nothing is remembered. That is usually "
            "a slip, or an entry that was declared and never applied. Only what an apply has made, "
            "changed or adopted has a record; `state list` shows all of them."
        ),
        "unknown-field": (
            "A field is not in the catalogue. A name that is close to a known one is taken for a slip and"
            " is an error; any other is a warning and is passed on as it is, since Fivetran adds fields "
            "faster than catalogues follow. Its value may be a secret, so no plan shows it and no state "
            "keeps more than a fingerprint. To say that a field is meant, write it below `extra_config:`."
        ),
        "unknown-id": (
            "An entry names a group by `id:`, and the account has no group of this id, but one whose id is "
            "nearly the same. An id wins over a name, so the entry is not created under another id. "
            "Correct the id, or remove the line to find the group by its name or to create it."
        ),
        "unknown-key": (
            "This key means nothing at this place. Ignoring it would hide a typing mistake, and the "
            "setting that was meant would silently not apply. Correct the spelling, or remove the key."
        ),
        "unknown-override-target": (
            "A file under `overrides` may only change groups that a file under `specs` describes. An "
            "override of a key that does not exist is a typing mistake or a group that was renamed. "
            "Correct the key, or describe the group in `specs`."
        ),
        "unknown-profile": (
            "A destination names a profile that no spec file defines. Without the profile the destination"
            " would lack most of its settings, so the run stops. Correct the name, or define it under "
            "`profiles`."
        ),
        "unknown-revision": (
            "`--changed-since` and `--settings-from` name a revision of the git repository that the specs "
            "are in: a branch, a tag or a commit. Git could not find it, or could not be asked. A shallow "
            "clone, as continuous integration makes it, has only the last commits, so fetch the history "
            "first. Without the revision nothing is compared and nothing is sent: a plan of everything is "
            "never made in its place."
        ),
        "unknown-service": (
            "A service is not in the catalogue. A name that is close to a known one is taken for a slip "
            "and is an error; any other is a warning, and its `config` is passed on unchecked, since "
            "Fivetran may have a service that this version does not know."
        ),
        "unknown-switch": (
            "A behaviour file sets a switch that the emulated Fivetran does not have, or gives it a value"
            " that it cannot take. Nothing is guessed, because a rehearsal against the wrong behaviour "
            "proves nothing. `reconciler emulate --switches` lists every switch with its values and its "
            "meaning."
        ),
        "unknown-target": (
            "`--target` or `--exclude` names nothing that the specs declare or remove. A filter that "
            "matches nothing would otherwise look like an account without changes. Name an address such "
            "as `destination.finance_prod`, a key, or a pattern with `*`."
        ),
        "unknown-value": (
            "A field takes one of a few values, and this is none of them. Case and underscores do not "
            "matter, because Fivetran's own answers vary in them. Fivetran answers 400 to anything else "
            "without naming the field, so it is checked here."
        ),
        "unlisted-region": (
            "The region is not one that Fivetran documents for destinations. New regions appear before "
            "they are documented, so this is a warning and the value is passed on. Check the spelling."
        ),
        "unreachable": (
            "No answer came from the API: the name does not resolve, the connection was refused, the TLS "
            "handshake failed, or a deadline passed. Nothing was changed by a request that never left. "
            "Check network, proxy and `FIVETRAN_API_URL`."
        ),
        "unsendable": (
            "A value cannot be expressed in a request: a text that is no valid Unicode, a number that "
            "JSON does not have, or an id with characters that no id has. Nothing was sent."
        ),
        "unset-nothing": (
            "`{unset: true}` drops a value that comes from the defaults, a profile or the entry, but here"
            " nothing is inherited under this key. The key is probably misspelt, or what it dropped is "
            "gone. Remove the line or correct the key."
        ),
        "unsupported-networking": (
            "The service's documented connection types do not include this networking method. It is a "
            "warning, because Fivetran extends these lists; if it is refused, choose a method from the "
            "list."
        ),
        "unsupported-version": (
            "Every project and spec file says which format it is written in. This release reads version "
            "1. Write `version: 1`, or use a release that knows the newer format."
        ),
        "unusable-revision": (
            "The revision that `--changed-since` or `--settings-from` names exists, but its specs are of no "
            "use: it has no project file at that path, its files contain errors, or it names files that git "
            "does not keep. What changed since then cannot be told, and a plan of everything is never made "
            "in its place. Name another revision, or leave the option out."
        ),
        "values-in-state": (
            "An earlier release kept values of fields that the catalogue does not describe, and values below "
            "`extra_config`, in clear in the state. This release hides such values and never prints them, but a "
            "command that only reads leaves the state as it is. The next apply writes it without them, also one that "
            "has nothing else to do. Replace the values that are secrets: whoever could read the state knows them."
        ),
        "vanished": (
            "Something that earlier runs manage is declared in no spec any more. A lost file, a bad glob "
            "or a renamed key looks just the same as a wish to delete, so nothing is deleted and the run "
            "stops. Say what is meant: `was:` for another key, `removed:` to delete it or to stop "
            "managing it."
        ),
        "visible-secret": (
            "A field that holds a secret refers to its value with `{value: …}`, which says that the value"
            " may be shown in plans. Write `{secret: …}` with the same reference: the value is then "
            "fetched in the same way and shown nowhere."
        ),
        "was-in-use": (
            "`was:` names a key that some entry has today, so it cannot be the former key of this one. "
            "Name the key that this entry had before the change, or remove the line."
        ),
        "withdrawn": (
            "A call to Fivetran was waiting for its turn, because a budget was spent, Fivetran had asked to"
            " wait, or an earlier attempt had failed, when the run was interrupted; or it could not be written "
            "down before. It was not sent, so it changed nothing. Run the command again."
        ),
        "wrong-shape": (
            "A value has another form than its place needs: text where a mapping belongs, a list where "
            "text belongs, and so on. Values that YAML reads as numbers, such as an unquoted `123`, "
            "become text in quotes."
        ),
        "wrong-type": (
            "A field has a value of another type than Fivetran takes. Numbers and truth values may be "
            "written as text, as Fivetran does itself; a text is never guessed from a number, since "
            "`1.10` would become `1.1`. Follow the help line."
        ),
        "wrong-usage": (
            "The command line cannot be understood: an option or a command that does not exist, a value "
            "that is missing, or options that exclude each other. `reconciler COMMAND --help` lists what "
            "there is. Nothing was read or sent."
        ),
        "yaml-syntax": (
            "The file is not YAML 1.2 that can be read from start to end. The place shown is where the "
            "reading stopped; the mistake is there or shortly before it, and usually it is indentation, a"
            " missing quote or bracket, or a value with `: ` or `#` in it that needs quotes."
        ),
        "yaml-tag": (
            "A YAML tag (`!name`) asks the reader to build something special of a value. Specs hold plain"
            " data only, so no tag is accepted. Remove it, or quote the value if it starts with an "
            "exclamation mark."
        ),
    }
)
