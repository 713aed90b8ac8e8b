using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Rollout.Actors.Data;

/// <summary>
/// Writes the records of a data file, one after another, as JSON objects into a temporary file, where each can be read
/// again by itself: a CSV record can't be found without reading those before it, nor a Parquet row without its row group.
/// </summary>
/// <param name="path">The data file, for errors.</param>
/// <param name="file">The temporary file.</param>
internal sealed class RecordCopy(string path, SafeFileHandle file) : IDisposable
{
    private readonly ArrayBufferWriter<byte> _record = new();
    private readonly Utf8JsonWriter _writer = new(Stream.Null, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    private long _end;

    /// <summary>Where the records are.</summary>
    public List<RecordFile.Place> Places { get; } = [];

    /// <summary>
    /// Makes a file in the folder for temporary files that has no name any more, so that it vanishes with the process.
    /// </summary>
    public static SafeFileHandle NewFile()
    {
        var name = Path.GetTempFileName();
        var file = File.OpenHandle(name, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        File.Delete(name);
        return file;
    }

    /// <summary>Adds a record.</summary>
    /// <param name="number">Its line or row, from 1.</param>
    /// <param name="write">Writes it as one JSON object.</param>
    /// <exception cref="InvalidDataException">It is too long.</exception>
    /// <exception cref="IOException">The temporary file can't be written.</exception>
    public void Add(long number, Action<Utf8JsonWriter> write)
    {
        _record.ResetWrittenCount();
        _writer.Reset(_record);
        write(_writer);
        _writer.Flush();
        if (_record.WrittenCount > RecordFile.MaxBytes)
            throw RecordFile.TooLong(path, number);
        try
        {
            RandomAccess.Write(file, _record.WrittenSpan, _end);
        }
        catch (IOException cause)
        {
            throw new IOException($"{path}: its copy in {Path.GetTempPath()} can't be written: {cause.Message}", cause);
        }
        Places.Add(new RecordFile.Place(_end, _record.WrittenCount, checked((int)number)));
        _end += _record.WrittenCount;
    }

    public void Dispose() => _writer.Dispose();
}
