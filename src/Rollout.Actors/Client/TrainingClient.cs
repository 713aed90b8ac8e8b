using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>Starts a training run from outside of actors, and gives its events.</summary>
/// <param name="system">The actor system of the trainer.</param>
/// <param name="trainer">The trainer actor.</param>
public sealed class TrainingClient(ActorSystem system, IActorRef trainer)
{
    private volatile IActorRef? _observer;

    /// <summary>
    /// Trains from the given point and gives <see cref="TrainingStarted"/>, <see cref="TrainingStepFinished"/>s,
    /// <see cref="CheckpointSaved"/>s and, last, <see cref="TrainingEnded"/>. A checkpoint is made once the caller, who
    /// writes the report of its step, asks for the next event.
    /// </summary>
    /// <param name="from">Where to start: step 0, or what a checkpoint says.</param>
    /// <param name="stop">Ends the run after the training step at hand, with a checkpoint; events come until then.</param>
    public async IAsyncEnumerable<object> TrainAsync(
        TrainingProgress from, [EnumeratorCancellation] CancellationToken stop = default)
    {
        var events = Channel.CreateUnbounded<object>(new UnboundedChannelOptions { SingleReader = true });
        var observer = system.ActorOf(Props.Create(() => new Observer(trainer, from, events.Writer)));
        _observer = observer;
        trainer.Tell(new StartTraining(from, observer));
        await using var registration = stop.Register(() => trainer.Tell(new StopTraining()));
        try
        {
            await foreach (var seen in events.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                yield return seen;
                if (seen is TrainingStepFinished { Step: var step })
                    trainer.Tell(new StepRecorded(step));
            }
        }
        finally
        {
            system.Stop(observer);
        }
    }

    /// <summary>
    /// Ends a run that is under way, for a reason outside of it. Returns when what it has learnt is saved and
    /// <see cref="TrainAsync"/> has its last event. The step at hand, and saving, may take long.
    /// </summary>
    /// <exception cref="AskTimeoutException">It took longer than the deadline.</exception>
    public async Task AbandonAsync(string reason, TimeSpan deadline)
    {
        trainer.Tell(new AbandonTraining(reason));
        // An actor that answers has handled all that it was told before.
        await trainer.Ask<ActorIdentity>(new Identify(null), deadline).ConfigureAwait(false);
        if (_observer is { } observer)
            await observer.Ask<ActorIdentity>(new Identify(null), deadline).ConfigureAwait(false);
    }

    /// <summary>Passes the trainer's events on. Ends the run with an error where the trainer stops without a word.</summary>
    private sealed class Observer : ReceiveActor
    {
        private readonly ChannelWriter<object> _events;
        private TrainingProgress _progress;
        private string? _checkpoint;

        public Observer(IActorRef trainer, TrainingProgress from, ChannelWriter<object> events)
        {
            _progress = from;
            _events = events;
            Context.Watch(trainer);
            Receive<TrainingEnded>(ended =>
            {
                events.TryWrite(ended);
                events.TryComplete();
            });
            Receive<Terminated>(_ => EndWithout("the trainer stopped before the run ended"));
            Receive<TrainingStepFinished>(report =>
            {
                _progress = _progress with { Step = report.Step };
                events.TryWrite(report);
            });
            Receive<CheckpointSaved>(saved =>
            {
                _checkpoint = saved.Folder;
                events.TryWrite(saved);
            });
            ReceiveAny(seen => events.TryWrite(seen));
        }

        /// <summary>The actor system may stop before the trainer has ended the run.</summary>
        protected override void PostStop() => EndWithout("the actor system stopped before the run ended");

        /// <summary>Ends the run, unless the trainer has.</summary>
        private void EndWithout(string error)
        {
            _events.TryWrite(new TrainingEnded(_progress, _checkpoint, error));
            _events.TryComplete();
        }
    }
}
