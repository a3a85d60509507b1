"""A .sql file as PostgreSQL's scanner reads it, beside the statements that aiosql makes of it.

What is sent to the server is aiosql's reading. `SourceFile` compares the two token by token,
refuses what differs, and carries places in a statement back to line and column of the file.
"""

import bisect
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
import pglast
from pglast.parser import ParseError

from typedsql.directives import DirectivesRefused
from typedsql.errors import CodeError
from typedsql.statements import Statement, parse_statements
from typedsql.tools.reading import headers
from typedsql.tools.reading.findings import Finding, in_file_order
from typedsql.tools.reading.headers import Section
from typedsql.tools.reading.lexer import (
    PARAMETER,
    SEMICOLON,
    STRINGS,
    LexicalError,
    Lines,
    Token,
    character_offset,
    significant,
    tokenize,
)
from typedsql.tools.reading.misreadings import explain

_ONE_SIDED: Final = re.compile(
    r"undeclared parameter name in query \w+: (?P<extra>\w+)"
    r"|unused declared parameter in query \w+: \['(?P<hidden>\w+)'"
)


class Alignment(msgspec.Struct, frozen=True):
    """Which token of the file each token of the statement is, by its index."""

    in_statement: tuple[Token, ...]
    in_file: tuple[Token, ...]

    def offset_in_file(self, offset: int) -> int:
        """The place in the file of a character of the statement.

        Between two tokens it is the beginning of the later one, behind the last one its end.
        """
        ends = [token.end for token in self.in_statement]
        index = bisect.bisect_right(ends, offset)
        if index >= len(self.in_statement):
            return self.in_file[-1].end
        ours, theirs = self.in_statement[index], self.in_file[index]
        if ours.text != theirs.text:
            return theirs.start
        return theirs.start + max(offset - ours.start, 0)


class SourceFile:
    """One file of named statements, with everything in it that is wrong by itself.

    `statements` are those that are read alike, by name in the file's order; `findings` say
    what is wrong with the others and with the file.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        """Relative to the project's root, as findings name it."""
        self.text = text
        """Without a byte order mark; line ends as they are."""
        self.sections: tuple[Section, ...] = ()
        self.statements: Mapping[str, Statement] = {}
        self.findings: tuple[Finding, ...] = ()
        self._stem = PurePosixPath(file).stem
        self._lines = Lines(text)
        self._alignments: dict[str, Alignment] = {}

    @classmethod
    def read(cls, path: Path, root: Path) -> "SourceFile":
        """Read and check a file; `root` is what findings are relative to.

        What the file holds raises nothing: its findings tell. OSError if it cannot be read.
        """
        file = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        data = path.read_bytes()
        try:
            return cls.of_text(file, data.decode("utf-8-sig"))
        except UnicodeDecodeError as failure:
            source = cls(file, data.decode("utf-8-sig", errors="replace"))
            # Each byte that is wrong became one character or more, but none before the first.
            place = len(data[: _first_wrong_byte(data, failure)].decode("utf-8-sig"))
            source.findings = (
                source.at(
                    place,
                    rule="encoding",
                    message=f"byte 0x{failure.object[failure.start]:02x} is not UTF-8",
                    advice="save the file as UTF-8",
                ),
            )
            return source

    @classmethod
    def of_text(cls, file: str, text: str) -> "SourceFile":
        """Check the text of a file, which need not be written yet."""
        source = cls(file, text)
        source.findings = tuple(in_file_order(source._check()))
        return source

    def section(self, statement: Statement) -> Section:
        """Where the statement stands in the file. KeyError if it is of another file."""
        name = _short(statement)
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(statement.name)

    def tokens(self, statement: Statement) -> tuple[Token, ...]:
        """The statement's tokens as they stand in the file, comments included."""
        return self.section(statement).tokens

    def position(self, statement: Statement, offset: int | None) -> tuple[int, int]:
        """Line and column, from 1, of a character (from 0) of ``statement.sql``.

        None stands for the statement as a whole: its name.
        """
        return self._lines.position(self._offset(statement, offset))

    def finding(
        self,
        statement: Statement | None,
        *,
        rule: str,
        message: str,
        advice: str = "",
        offset: int | None = None,
    ) -> Finding:
        """A finding at a character (from 0) of ``statement.sql``, or at its name.

        Locations in PostgreSQL's trees count bytes: `lexer.character_offset` turns them.
        Without a statement it stands at the file's beginning.
        """
        place = 0 if statement is None else self._offset(statement, offset)
        name = None if statement is None else statement.name
        return self.at(place, rule=rule, message=message, advice=advice, statement=name)

    def finding_at_byte(
        self, statement: Statement, *, rule: str, message: str, advice: str = "", location: int
    ) -> Finding:
        """A finding at a location of PostgreSQL's trees: bytes from 0, -1 for unknown."""
        offset = character_offset(statement.sql, location) if location >= 0 else None
        return self.finding(statement, rule=rule, message=message, advice=advice, offset=offset)

    def at(
        self, offset: int, *, rule: str, message: str, advice: str, statement: str | None = None
    ) -> Finding:
        """A finding at a character (from 0) of the file."""
        line, column = self._lines.position(offset)
        return Finding(
            rule=rule,
            file=self.file,
            line=line,
            column=column,
            statement=statement,
            message=message,
            advice=advice,
            excerpt=self._lines.text_of(line),
        )

    def _offset(self, statement: Statement, offset: int | None) -> int:
        alignment = self._alignments.get(_short(statement))
        if offset is None or alignment is None:
            return self.section(statement).name_offset
        return alignment.offset_in_file(offset)

    def _load(self, text: str) -> Mapping[str, Statement]:
        # aiosql reads files with universal line ends, so it gets the text so.
        return parse_statements(re.sub(r"\r\n?", "\n", text), self._stem, self.file)

    def _load_separately(self, sections: Sequence[Section]) -> dict[str, Statement | CodeError]:
        """Each section as a file of its own, so that one mistake does not hide the next.

        The lines that a CodeError tells count from the section's first.
        """
        outcomes: dict[str, Statement | CodeError] = {}
        for section in sections:
            location = f"{self.file}:{section.line}"
            try:
                loaded = self._load(self.text[section.start : section.end])
                outcomes |= {
                    name: msgspec.structs.replace(statement, location=location)
                    for name, statement in loaded.items()
                }
            except CodeError as failure:
                outcomes[section.name] = failure
            except AttributeError:
                continue  # See _check.
        return outcomes

    def _check(self) -> list[Finding]:
        problems = headers.Problems()
        self.sections = headers.split(self.text, self._lines, problems)
        found = [
            self.at(
                item.offset,
                rule=item.rule,
                message=item.message,
                advice=item.advice,
                statement=f"{self._stem}.{item.name}" if item.name else None,
            )
            for item in problems.all
        ]
        clean = [section for section in self.sections if section.start not in problems.sections]
        loaded: Mapping[str, Statement | CodeError] = {}
        refusal: CodeError | AttributeError | None = None
        if not problems.all:
            try:
                loaded = self._load(self.text)
            except (CodeError, AttributeError) as failure:
                # AttributeError: aiosql took a name line for a part of a comment or a text.
                refusal = failure
        if clean and not loaded:
            loaded = self._load_separately(clean)
        agreeing: dict[str, Statement] = {}
        for section in clean:
            outcome = loaded.get(section.name)
            if not isinstance(outcome, Statement):
                found.extend(self._not_loaded(section, outcome))
                continue
            difference = self._compare(section, outcome)
            if difference is None:
                agreeing[section.name] = outcome
            else:
                found.append(difference)
        if refusal is not None and not found:
            found.append(self._whole(refusal))
        self.statements = agreeing
        return found

    def _compare(self, section: Section, statement: Statement) -> Finding | None:
        """The first token that aiosql reads otherwise than PostgreSQL."""
        ours = significant(section.tokens)
        try:
            theirs = significant(tokenize(statement.sql))
        except LexicalError:
            return self._misread(section, ours[-1].end)
        names: list[str] = []
        for index, token in enumerate(ours):
            other = theirs[index] if index < len(theirs) else None
            if token.kind == PARAMETER and token.name not in names:
                names.append(token.name)
            if other is None or not _same(token, other, names):
                return self._misread(section, token.start)
        if len(theirs) > len(ours) or tuple(names) != statement.parameters:
            return self._misread(section, ours[-1].end)
        self._alignments[section.name] = Alignment(theirs, ours)
        return self._several(section, ours)

    def _several(self, section: Section, tokens: Sequence[Token]) -> Finding | None:
        """A finding where more than one statement stands under a name."""
        for token, following in itertools.pairwise(tokens):
            if token.kind == SEMICOLON:
                try:
                    # A function's body may hold semicolons, and PostgreSQL complains elsewhere.
                    several = len(pglast.parse_sql(_numbered(section, self.text))) > 1
                except ParseError:
                    return None
                if several:
                    return self._of(
                        section,
                        following.start,
                        "header",
                        f"a second statement under the name {section.name}",
                        "give each statement a `-- name:` line of its own",
                    )
                return None
        return None

    def _misread(self, section: Section, near: int, *, mentions: str | None = None) -> Finding:
        cause = explain(self.text, section.tokens, near, mentions=mentions)
        return self._of(section, cause.offset, "misread", cause.message, cause.advice)

    def _not_loaded(self, section: Section, failure: CodeError | None) -> Iterator[Finding]:
        """aiosql or `typedsql.statements` refused a statement whose header is as it should be."""
        if isinstance(failure, DirectivesRefused):
            for item in failure.refusals:
                offset = self._lines.start_of(section.line + item.line - 1)
                yield self._of(section, offset, "directive", item.message, item.advice)
            return
        text = str(failure) if failure else ""
        one_sided = _ONE_SIDED.search(text)
        if failure is None or one_sided:
            # The header names what PostgreSQL sees, so aiosql saw something else.
            extra, hidden = one_sided.group("extra", "hidden") if one_sided else (None, None)
            places = [t.start for t in section.tokens if t.kind == PARAMETER and t.name == hidden]
            near = places[0] if places else section.end
            yield self._misread(section, near, mentions=extra)
            return
        line, message = _place(text)
        inside = self._lines.start_of(section.line + line - 1)
        offset = inside if line > 1 else section.name_offset
        yield self._of(section, offset, "header", message, "")

    def _whole(self, refusal: CodeError | AttributeError) -> Finding:
        """A file of which each statement is read alike by itself, but not all of them together.

        Something that one section opens for aiosql, another closes.
        """
        sections = self.sections
        starts = [0, *(section.start for section in sections)]
        last = next((s for s in sections if not self._loads(0, s.end)), sections[-1])
        first = next((at for at in reversed(starts) if not self._loads(at, last.end)), 0)
        opening = next((s for s in sections if s.start == first), None)
        if opening is None:
            message = _place(str(refusal))[1]
            return self.at(0, rule="misread", message=message, advice="use -- lines alone")
        cause = explain(self.text, opening.tokens, opening.end)
        message = f"{cause.message}, as far as line {last.line}, and loses what is between"
        return self._of(opening, cause.offset, "misread", message, cause.advice)

    def _loads(self, start: int, end: int) -> bool:
        try:
            self._load(self.text[start:end])
        except (CodeError, AttributeError):
            return False
        return True

    def _of(self, section: Section, offset: int, rule: str, message: str, advice: str) -> Finding:
        name = f"{self._stem}.{section.name}"
        return self.at(offset, rule=rule, message=message, advice=advice, statement=name)


def _same(ours: Token, theirs: Token, names: Sequence[str]) -> bool:
    if ours.kind == PARAMETER:
        return theirs.kind == "PARAM" and theirs.text == f"${names.index(ours.name) + 1}"
    if ours.kind != theirs.kind:
        return False
    if ours.text == theirs.text:
        return True
    return ours.kind in STRINGS and _value(ours) is not None and _value(ours) == _value(theirs)


def _value(token: Token) -> str | None:
    """What a string says: pieces on several lines are one, whatever stands between them."""
    try:
        return str(pglast.parse_sql(f"SELECT {token.text}\n")[0].stmt)
    except ParseError:
        return None


def _first_wrong_byte(data: bytes, failure: UnicodeDecodeError) -> int:
    # The codec counts from behind a byte order mark.
    return failure.start + len(data) - len(failure.object)


def _place(message: str) -> tuple[int, str]:
    """The line that a message of the loader begins with, 1 where it has none, and the rest."""
    found = re.match(r"\S*\.sql(?::(\d+))?: ", message)
    if found is None:
        return 1, message
    return int(found[1] or 1), message[found.end() :]


def _numbered(section: Section, text: str) -> str:
    """The section with a number for each parameter, for PostgreSQL's parser."""
    pieces: list[str] = []
    at = section.body
    for token in section.tokens:
        if token.kind == PARAMETER:
            pieces += [text[at : token.start], "$1"]
            at = token.end
    return "".join([*pieces, text[at : section.end]])


def _short(statement: Statement) -> str:
    return statement.name.partition(".")[2]
