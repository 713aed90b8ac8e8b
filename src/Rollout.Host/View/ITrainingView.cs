namespace Rollout.Host.View;

/// <summary>Shows a training run. Calls come from any thread, return at once and are shown in their order.</summary>
public interface ITrainingView : IAsyncDisposable
{
    /// <summary>A training step is done.</summary>
    void Report(StepReport report);

    /// <summary>One line that stays: a stop was asked for, a checkpoint was written.</summary>
    void Say(string line);
}
