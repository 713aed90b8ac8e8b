using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>Starts a training run and follows it.</summary>
/// <param name="system">The actor system of the trainer.</param>
/// <param name="trainer">The trainer actor.</param>
public sealed class TrainingClient(ActorSystem system, IActorRef trainer)
{
    /// <summary>
    /// Trains from the given point and gives <see cref="TrainingStarted"/>, <see cref="TrainingStepFinished"/>s,
    /// <see cref="CheckpointSaved"/>s and, last, <see cref="TrainingEnded"/>.
    /// </summary>
    /// <param name="from">Where to start: step 0, or what a checkpoint says.</param>
    /// <param name="stop">Ends the run after the training step at hand, with a checkpoint; events come until then.</param>
    public async IAsyncEnumerable<object> TrainAsync(
        TrainingProgress from, [EnumeratorCancellation] CancellationToken stop = default)
    {
        var events = Channel.CreateUnbounded<object>(new UnboundedChannelOptions { SingleReader = true });
        var observer = system.ActorOf(Props.Create(() => new Observer(trainer, events.Writer)));
        trainer.Tell(new StartTraining(from, observer));
        await using var registration = stop.Register(() => trainer.Tell(new StopTraining()));
        try
        {
            await foreach (var seen in events.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return seen;
        }
        finally
        {
            system.Stop(observer);
        }
    }

    /// <summary>Passes the trainer's events on; a trainer that dies without a word ends the run with an error.</summary>
    private sealed class Observer : ReceiveActor
    {
        private readonly ChannelWriter<object> _events;
        private TrainingProgress _progress = new(0, 0, 0);

        public Observer(IActorRef trainer, ChannelWriter<object> events)
        {
            _events = events;
            Context.Watch(trainer);
            Receive<TrainingEnded>(ended =>
            {
                events.TryWrite(ended);
                events.TryComplete();
            });
            Receive<Terminated>(_ =>
            {
                events.TryWrite(new TrainingEnded(_progress, null, "the trainer stopped before the run ended"));
                events.TryComplete();
            });
            Receive<TrainingStepFinished>(report =>
            {
                _progress = _progress with { Step = report.Step };
                events.TryWrite(report);
            });
            ReceiveAny(seen => events.TryWrite(seen));
        }

        /// <summary>With the whole actor system too, as when the cluster has given this process up.</summary>
        protected override void PostStop()
        {
            _events.TryWrite(new TrainingEnded(_progress, null, "the actor system stopped before the run ended"));
            _events.TryComplete();
        }
    }
}
