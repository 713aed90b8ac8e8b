using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>The parts that <see cref="TrainerActor"/> is built from.</summary>
/// <param name="Job">What to train on.</param>
/// <param name="CreateTrainer">Builds the trainer; called on the actor's own thread, which alone uses it.</param>
/// <param name="Run">A random number that tells this run's policies from those of any other run.</param>
/// <param name="Publisher">Offers weights to decoders of other processes; null if there are none.</param>
public sealed record TrainerSetup(
    TrainingJob Job, Func<IPolicyTrainer> CreateTrainer, long Run, IWeightPublisher? Publisher = null);
