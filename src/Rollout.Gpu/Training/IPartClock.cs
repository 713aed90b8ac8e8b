using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Training;

/// <summary>A part of a training step; see <see cref="TrainingShares"/>.</summary>
internal enum TrainingPart
{
    Products,
    Attention,
    Head,
    Elementwise,
    Optimizer,
    Host,
}

/// <summary>Is told which part of a training step begins.</summary>
internal interface IPartClock
{
    /// <summary>What is queued from here on belongs to the part.</summary>
    void Enter(TrainingPart part);
}

/// <summary>Measures the parts of what is queued on torch's stream, by events between them.</summary>
internal sealed class CudaPartClock : IPartClock, IDisposable
{
    private readonly List<(TrainingPart Part, CudaEvent Start)> _entered = [];

    public void Enter(TrainingPart part)
    {
        if (_entered.Count > 0 && _entered[^1].Part == part)
            return;
        var start = new CudaEvent();
        start.Record(CudaStream.OfTorch);
        _entered.Add((part, start));
    }

    /// <summary>The seconds of each part up to the last call of <see cref="Enter"/>. Waits for the device.</summary>
    public IReadOnlyDictionary<TrainingPart, double> Seconds()
    {
        var seconds = Enum.GetValues<TrainingPart>().ToDictionary(part => part, _ => 0.0);
        _entered[^1].Start.Synchronize();
        for (var i = 0; i + 1 < _entered.Count; i++)
            seconds[_entered[i].Part] += _entered[i + 1].Start.MillisecondsSince(_entered[i].Start) / 1000;
        return seconds;
    }

    public void Dispose() => _entered.ForEach(entry => entry.Start.Dispose());
}
