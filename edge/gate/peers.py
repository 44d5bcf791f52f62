"""Who connects to the gate: one engine, any number of pages. Nothing here ever waits."""

from edge.channel import Channel, ChannelClosed, Listener
from edge.messages import (
    VERSION,
    ChangeOver,
    Command,
    Commanded,
    EngineRecipes,
    EngineState,
    GateState,
    Hello,
    Inspect,
    Inspected,
    Ping,
    RecipeState,
    Why,
)
from edge.settings import StateFolder
from vocabulary import Clock

PING_NS = 250_000_000
SILENT_NS = 1_500_000_000  # an engine that neither answered a ping nor a part for this long is not ready
BURST = 16
MOST_PEERS = 64  # pages, commands and strangers at a time


class EngineLink:
    """The engine as the gate sees it. It never gets a second question while it owes an answer."""

    def __init__(self, epoch: int, clock: Clock) -> None:
        self.epoch, self.clock = epoch, clock
        self.channel: Channel | None = None
        self.state: EngineState | None = None
        self.introduced = False  # it has just told its recipes
        self.recipes: dict[int, RecipeState] = {}  # of this engine, or of the last one while there is none
        self.owes: int | None = None  # the part asked about
        self.heard_ns = 0
        self._pinged_ns = 0
        self._pings = 0

    def recipe(self, number: int | None = None) -> RecipeState | None:
        """The recipe of this number; without one the active one. None: there is none."""
        if number is None:
            number = self.state.recipe if self.state else None
        return self.recipes.get(number) if number is not None else None

    def attach(self, channel: Channel) -> None:
        """A new engine; the old one and what it owed are gone."""
        self.lose()
        self.channel, self.heard_ns = channel, self.clock.now_ns()

    def ask(self, request: Inspect) -> bool:
        """Send a request; False when there is nobody to take it."""
        sent = self._send(request)
        if sent:
            self.owes = request.part
        return sent

    def ping(self) -> None:
        """Ask the main loop for a sign of life when nothing else is going on."""
        now = self.clock.now_ns()
        if self.channel is not None and self.owes is None and now - self._pinged_ns > PING_NS:
            self._pings += 1
            self._pinged_ns = now
            self._send(Ping(self.epoch, self._pings))

    def change_over(self, recipe: int) -> None:
        """Tell the engine which recipe to make active; it answers with its state."""
        self._send(ChangeOver(self.epoch, recipe))

    def hear(self) -> list[Inspected]:
        """Answers that came in, in order; states are noted."""
        answers: list[Inspected] = []
        try:
            while self.channel is not None and (message := self.channel.receive()) is not None:
                self.heard_ns = self.clock.now_ns()
                if isinstance(message, EngineRecipes):
                    self.recipes, self.introduced = message.recipes, True
                elif isinstance(message, EngineState):
                    self.state = message
                elif isinstance(message, Inspected) and message.epoch == self.epoch:
                    self.owes = None if message.part == self.owes else self.owes
                    answers.append(message)
        except ChannelClosed:
            self.lose()
        return answers

    def unmet(self) -> list[Why]:
        """Why the engine can't inspect now, in words; empty: it can."""
        if self.channel is None or self.state is None:
            return [Why("engine_absent", "engine is not there: it is being restarted, or see logs/engine.jsonl")]
        if self.clock.now_ns() - self.heard_ns > SILENT_NS:
            return [Why("engine_silent", "engine does not answer: see logs/engine.jsonl")]
        return self.state.unmet

    def lose(self) -> None:
        """The engine is gone; nothing it owed will come."""
        if self.channel is not None:
            self.channel.close()
        self.channel = self.state = self.owes = None

    def _send(self, message: Inspect | Ping | ChangeOver) -> bool:
        try:
            return self.channel is not None and self.channel.send(message)
        except ChannelClosed:
            self.lose()
            return False


class Peers:
    """The gate's listening socket and whoever came through it."""

    def __init__(self, state: StateFolder, engine: EngineLink) -> None:
        self.listener = Listener(state.socket("gate"))
        self.engine = engine
        self.pages: list[Channel] = []
        self.commanders: list[Channel] = []
        self._strangers: list[Channel] = []

    def waiting(self) -> list[Listener | Channel]:
        """For select."""
        engine = [self.engine.channel] if self.engine.channel is not None else []
        return [self.listener, *engine, *self._strangers, *self.pages, *self.commanders]

    def welcome(self) -> None:
        """Take in whoever knocks, and give strangers their place by their Hello."""
        if (new := self.listener.accept()) is not None:
            if len(self._strangers) + len(self.pages) + len(self.commanders) < MOST_PEERS:
                self._strangers.append(new)
            else:
                new.close()
        for stranger in list(self._strangers):
            try:
                message = stranger.receive()
            except ChannelClosed:
                self._strangers.remove(stranger)
                stranger.close()
                continue
            if message is None:
                continue
            self._strangers.remove(stranger)
            if not isinstance(message, Hello) or message.version != VERSION:
                stranger.close()
            elif message.role == "engine":
                self.engine.attach(stranger)
            elif message.role == "command":
                self.commanders.append(stranger)
            else:
                self.pages.append(stranger)

    def commands(self) -> list[tuple[Channel, Command]]:
        """What people ask for: one command of each that has one."""
        found = []
        for commander in list(self.commanders):
            try:
                if isinstance(message := commander.receive(), Command):
                    found.append((commander, message))
            except ChannelClosed:
                self.commanders.remove(commander)
                commander.close()
        return found

    def answer(self, commander: Channel, answer: Commanded) -> None:
        """To who asked, if he is still there."""
        try:
            commander.send(answer)
        except ChannelClosed:
            return

    def tell_pages(self, state: GateState) -> None:
        """A page that does not read misses states; one that is gone is dropped."""
        for page in list(self.pages):
            try:
                page.send(state)
                page.receive()
            except ChannelClosed:
                self.pages.remove(page)
                page.close()
